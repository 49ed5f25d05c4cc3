/** What breaks between garage and a host while a build runs: connections, the dispatcher, the host itself. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createDispatcher, type Dispatcher } from '../../services/garage/dispatch/dispatcher.ts';
import { waitFor } from '../support/wait.ts';
import {
  acceptSource,
  buildOf,
  fakeRunner,
  forgetWaiting,
  isAlive,
  openLine,
  startBuilder,
  waitForStatus,
  type Line,
} from './dispatch-support.ts';

let line: Line;
const dispatchers: Dispatcher[] = [];

beforeAll(async () => {
  line = await openLine({ leaseS: 20 });
});
afterAll(() => line.dispose());
afterEach(async () => {
  for (const dispatcher of dispatchers.splice(0)) await dispatcher.stop();
});

async function startDispatcher(): Promise<Dispatcher> {
  const dispatcher = createDispatcher(line.garage, { runner: await fakeRunner() });
  if (!(await dispatcher.start())) throw new Error('another dispatcher has the lock');
  dispatchers.push(dispatcher);
  return dispatcher;
}

function letEnd(source: string): Promise<void> {
  return writeFile(path.join(line.workdir, `open-${source}`), '');
}

async function logOf(source: string): Promise<string> {
  const { attempts } = await buildOf(line.garage, source);
  const file = path.join(line.garage.home.root, attempts[0]!.directory, 'build.log');
  return readFile(file, 'utf8').catch(() => '');
}

/** Waits until this many more lines than there are now have come. */
async function moreLines(source: string, count = 30): Promise<void> {
  const lines = async (): Promise<number> => (await logOf(source)).split('\n').length;
  const now = await lines();
  await waitFor(`${String(count)} more lines`, async () => (await lines()) > now + count);
}

/** What the host's own log was, which the stand-in keeps when it removes an attempt. */
function hostLog(attempt: string): Promise<string> {
  return readFile(path.join(line.workdir, `log-${attempt}`), 'utf8');
}

async function starts(attempt: string): Promise<number> {
  const text = await readFile(path.join(line.workdir, 'starts'), 'utf8');
  return text.split('\n').filter((id) => id === attempt).length;
}

test('a connection that breaks is taken up again without a gap or a doubled byte', async () => {
  const dispatcher = await startDispatcher();
  const source = await acceptSource(line.garage, 'broken-off');
  await dispatcher.round();
  for (const _ of [1, 2]) {
    await moreLines(source);
    await line.builder.breakConnections();
  }
  await moreLines(source);
  await letEnd('broken-off');
  await dispatcher.idle();
  const build = await buildOf(line.garage, source);
  expect(build).toMatchObject({ status: 'uploaded', given_back: 0, attempts: [{ number: 1 }] });
  expect(await logOf(source)).toBe(await hostLog(build.attempts[0]!.id));
  expect(await starts(build.attempts[0]!.id)).toBe(1);
});

test('another dispatcher goes on with a build where the last one stopped', async () => {
  const first = await startDispatcher();
  const source = await acceptSource(line.garage, 'handed-on');
  await first.round();
  await moreLines(source);
  await first.stop();
  const stopped = await logOf(source);
  // Its lease ran out while nobody was there.
  await line.garage.pool.query(`update attempts set leased_until = now() - interval '1 hour'
                                 where finished_at is null`);
  const second = await startDispatcher();
  await second.round();
  await moreLines(source);
  await letEnd('handed-on');
  await second.idle();
  const build = await buildOf(line.garage, source);
  expect(build).toMatchObject({ status: 'uploaded', attempts: [{ number: 1, exit_class: 'success' }] });
  const log = await logOf(source);
  expect(log).toBe(await hostLog(build.attempts[0]!.id));
  expect(log.startsWith(stopped)).toBe(true);
});

test('a host that was made anew builds from the start, and the log is of that build', async () => {
  const dispatcher = await startDispatcher();
  const source = await acceptSource(line.garage, 'forgotten');
  await dispatcher.round();
  await moreLines(source);
  await dispatcher.stop();
  const { id } = (await buildOf(line.garage, source)).attempts[0]!;
  await rename(path.join(line.workdir, 'attempts'), path.join(line.workdir, 'gone'));
  const next = await startDispatcher();
  await next.round();
  await waitFor('a second start', async () => (await starts(id)) === 2);
  await letEnd('forgotten');
  await next.idle();
  expect(await buildOf(line.garage, source)).toMatchObject({ status: 'uploaded', attempts: [{ number: 1 }] });
  expect(await logOf(source)).toBe(await hostLog(id));
});

test('a dispatcher whose database connections die goes on by itself', async () => {
  const dispatcher = await startDispatcher();
  const source = await acceptSource(line.garage, 'cut-off');
  await dispatcher.round();
  await moreLines(source);
  await line.garage.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where pid <> pg_backend_pid() and datname = current_database()`,
  );
  await waitFor('the lock to be taken again', async () => {
    await dispatcher.round();
    const { rowCount } = await line.garage.pool.query(
      `select 1 from pg_locks where locktype = 'advisory' and granted`,
    );
    return rowCount === 1;
  });
  await moreLines(source);
  await letEnd('cut-off');
  const build = await waitForStatus(line.garage, dispatcher, source, 'uploaded');
  await dispatcher.idle();
  expect(await logOf(source)).toBe(await hostLog(build.attempts[0]!.id));
});

test('a lost host costs its build one try, and delivers nothing when it comes back', async () => {
  const { garage } = line;
  garage.config.build.leaseS = 2;
  const dispatcher = await startDispatcher();
  const source = await acceptSource(garage, 'left-alone');
  await dispatcher.round();
  await moreLines(source);
  await line.builder.stop();
  await waitFor('the build to be given back', async () => {
    return (await buildOf(garage, source)).status === 'given-back';
  });
  const lost = await buildOf(garage, source);
  expect(lost).toMatchObject({ given_back: 1, attempts: [{ exit_class: 'machine' }] });
  expect(lost.fail_reason).toMatch(/^Host 'local' was lost: /);
  await letEnd('left-alone'); // the first runner ends well, and nobody wants it any more

  await forgetWaiting(garage);
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({ status: 'needs-build', given_back: 1 });
  const { rows } = await garage.pool.query<{ last_error: string }>('select last_error from hosts');
  expect(rows[0]!.last_error).toContain('No SSH connection to');

  line.builder = await startBuilder(garage);
  const build = await waitForStatus(garage, dispatcher, source, 'uploaded');
  expect(build.attempts).toMatchObject([{ exit_class: 'machine' }, { exit_class: 'success' }]);
});

test('a builder service that was killed leaves an sshd that the next one ends', async () => {
  const orphan = await line.builder.sshdPid();
  await line.builder.stop('SIGKILL');
  expect(isAlive(orphan)).toBe(true);
  line.builder = await startBuilder(line.garage);
  await waitFor('the orphan to be gone', () => !isAlive(orphan));
  const sshd = await line.builder.sshdPid();
  expect(sshd).not.toBe(orphan);
  await line.builder.stop();
  expect(isAlive(sshd)).toBe(false);
  line.builder = await startBuilder(line.garage);
});
