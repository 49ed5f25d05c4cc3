/** Bases by demand and by schedule, kept targets and leftovers: garage's side, on a real host. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { reachHost } from '../../services/garage/bases/host-bases.ts';
import { refreshRound } from '../../services/garage/bases/refresh.ts';
import { openGarage, type Garage } from '../../services/garage/context.ts';
import { instanceId } from '../../services/garage/dispatch/instance.ts';
import { removeLeftovers } from '../../services/garage/dispatch/leftovers.ts';
import { remoteFolder } from '../../services/garage/dispatch/deliver.ts';
import { activeHosts } from '../../services/garage/dispatch/rows.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { minimalEnvironment, run, type RunResult } from '../../shared/process/run.ts';
import {
  CHECKOUT,
  dput,
  makeInstallation,
  type Installation,
  type Uploader,
} from '../support/installation.ts';
import { makeSourcePackage, signChanges } from '../support/source-package.ts';
import { waitFor } from '../support/wait.ts';

/** A base is made three times at most, half a minute each on an idle machine. */
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });
/** Nothing else in a build is silent for so long, on a busy machine neither. */
const SILENCE_S = 30;
const BUILD_TIMEOUT_MS = 300_000;

let line: Installation;
let garage: Garage;
let uploader: Uploader;

interface AttemptState {
  id: string;
  build: string;
  status: string;
  number: number;
  kept: boolean;
}

/** The newest attempt of the source once its build has failed. */
function failedAttempt(number: number): Promise<AttemptState> {
  return waitFor(
    `attempt ${String(number)} to fail`,
    async () => {
      const { rows } = await line.pool.query<AttemptState>(
        `select a.id, b.id as build, b.status, a.number, coalesce(a.kept_until > now(), false) as kept
           from attempts a join builds b on b.id = a.build_id join sources s on s.id = b.source_id
          where s.name = 'simple-build-failure' and b.status = 'attempted' and a.number = $1`,
        [number],
      );
      return rows[0];
    },
    BUILD_TIMEOUT_MS,
  );
}

async function upload(name: string): Promise<void> {
  const made = await makeSourcePackage(name, { outDir: path.join(line.home.root, 'packages') });
  await signChanges(made.changes, uploader.openpgpPrivate);
  const sent = await dput(line, uploader, made.changes);
  if (sent.code !== 0) throw new Error(sent.stderr.toString('utf8'));
}

function shell(build: string, input: string): Promise<RunResult> {
  return run([path.join(CHECKOUT, 'bin/autobuilder'), 'host', 'shell', build], {
    env: minimalEnvironment({ AUTOBUILDER_HOME: line.home.root }),
    input,
    timeoutMs: 60_000,
  });
}

/** Versions of the product's base on the host; the workdir may have other products' as well. */
async function madeAt(): Promise<number> {
  const text = await line.cli('base', 'list', '--json');
  const [base] = JSON.parse(text) as { madeAt: string | null; error: string | null }[];
  expect(base).toMatchObject({ error: null });
  return Date.parse(base?.madeAt ?? '');
}

async function attemptFolders(): Promise<string[]> {
  const [host] = await activeHosts(garage.pool);
  const folder = path.join(host!.workdir, 'attempts', await instanceId(garage.home));
  return readdir(folder).catch(() => []);
}

beforeAll(async () => {
  line = await makeInstallation({ config: { garage: { build: { silenceS: SILENCE_S } } } });
  await line.start();
  uploader = await line.addAccount('uploader');
  const log = createLogger('garage');
  log.level = 'silent';
  garage = await openGarage(log);
  await upload('simple-build-failure');
});

afterAll(async () => {
  await garage?.close();
  await line?.dispose();
});

test('a target is kept when it is asked for, on a base that is made anew meanwhile, until the admin leaves', async () => {
  const first = await failedAttempt(1);
  expect(first.kept).toBe(false);
  const refused = await shell(first.build, '');
  expect(refused.code).toBe(1);
  expect(refused.stderr.toString()).toContain(`build retry --keep ${first.build}`);

  await line.cli('build', 'retry', '--keep', first.build);
  const second = await failedAttempt(2);
  expect(second.kept).toBe(true);
  await waitFor('the first to be removed', async () => !(await attemptFolders()).includes(first.id));
  expect(await attemptFolders()).toContain(second.id);

  const before = Date.now();
  await line.cli('base', 'refresh', line.product);
  expect(await madeAt()).toBeGreaterThan(before);

  const { code, stdout, stderr } = await shell(second.build, 'ls /build/*/debian/control\nexit 3\n');
  expect(stderr.toString()).toContain('simple-build-failure');
  expect(stdout.toString()).toContain('/build/simple-build-failure-1.0/debian/control');
  expect(code).toBe(0);
  expect(await attemptFolders()).not.toContain(second.id);
  expect((await failedAttempt(2)).kept).toBe(false);
});

test('by schedule a base is made anew once it is due, and not before', async () => {
  const never = new AbortController().signal;
  const before = await madeAt();
  await refreshRound(garage, never);
  expect(Math.abs((await madeAt()) - before)).toBeLessThan(5_000); // by the host's whole seconds
  garage.common.products[0]!.baseRefreshHours = 1e-6;
  await refreshRound(garage, never);
  expect(await madeAt()).toBeGreaterThan(before + 5_000);
});

test('a base for what the product is not built for is refused', async () => {
  const wrong = await line.bin('autobuilder', 'base', 'refresh', line.product, 'm68k');
  expect(wrong.code).toBe(1);
  expect(wrong.stderr.toString()).toContain(`is not built for 'm68k'`);
});

test('what a finished attempt left on a host is removed at the next contact; others are left alone', async () => {
  const { id } = await failedAttempt(1);
  const [host] = await activeHosts(garage.pool);
  const remote = await reachHost(garage, host!);
  try {
    const instance = await instanceId(garage.home);
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const each of [id, unknown]) {
      const folder = remoteFolder(remote, instance, each);
      await remote.connection.exec(['mkdir', '-p', `${folder}/target/upper`]);
    }
    expect(await removeLeftovers(garage, remote, instance)).toEqual([id]);
    const left = await attemptFolders();
    expect(left).toContain(unknown);
    expect(left).not.toContain(id);
    await remote.connection.exec(['rm', '-rf', remoteFolder(remote, instance, unknown)]);
  } finally {
    remote.connection.close();
  }
});

test('a limit that is passed is the failure class of its build', async () => {
  await upload('never-ends');
  const build = await waitFor(
    'the build to be ended',
    async () => {
      const { rows } = await line.pool.query<Record<string, string>>(
        `select b.fail_class, b.fail_reason from builds b join sources s on s.id = b.source_id
          where s.name = 'never-ends' and b.status = 'attempted'`,
      );
      return rows[0];
    },
    BUILD_TIMEOUT_MS,
  );
  expect(build).toEqual({
    fail_class: 'limit-silence',
    fail_reason: `The job wrote nothing into its log for ${String(SILENCE_S)} s`,
  });
});
