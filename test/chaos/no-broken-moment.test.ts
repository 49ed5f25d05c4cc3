/**
 * No client ever sees a broken moment: apt updates in a loop, over HTTP and from the file system, while the
 * repository publishes, promotes, rolls back and syncs to three targets, and is killed at random.
 *
 * The long form takes 200 changes (AUTOBUILDER_LONG), the short one a tenth of them; AUTOBUILDER_SEED picks others.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../shared/process/run.ts';
import {
  handOver,
  makeSet,
  openTestRepository,
  serveLive,
  type TestRepository,
} from '../integration/repository-support.ts';
import { waitFor } from '../support/wait.ts';
import { IS_LONG, random, SEED } from './seeds.ts';
import { startUpdating, type Updated, type UpdatingClient } from './updating-client.ts';

const CHANGES = IS_LONG ? 200 : 20;
/** A killed service starts anew first, on a machine that five clients keep busy. */
const STEP_TIMEOUT_MS = 120_000;
const TIMEOUT_MS = IS_LONG ? 3_000_000 : 400_000;
const MAIN = path.resolve(import.meta.dirname, '../../services/repository/main.ts');
const AUTOBUILDER = path.resolve(import.meta.dirname, '../../bin/autobuilder');
const QUEUES = ['devel', 'testing'];
/**
 * Reads InRelease, and then, by a name whose content changes, what that names: between the two a plain folder
 * may be switched. apt says so and keeps its old lists; the next update is clean. By-hash is there against it.
 */
const RACING = 'file without by-hash';
/** Different sources; the same ones come again as newer versions. */
const SOURCES = 4;

let repository: TestRepository;
let targets: string;
let live: { server: FastifyInstance; url: string };
let service: ChildProcess;
let isOver = false;

beforeAll(async () => {
  targets = await mkdtemp(path.join(tmpdir(), 'autobuilder-targets-'));
  repository = await openTestRepository({
    repository: { targets: ['live', 'second', 'third'].map((name) => ({ path: path.join(targets, name) })) },
  });
  repository.home.live = path.join(targets, 'live');
  live = await serveLive(repository);
  startService();
}, TIMEOUT_MS);

afterAll(async () => {
  isOver = true;
  if (service.exitCode === null && service.signalCode === null) {
    service.kill('SIGTERM');
    await once(service, 'exit');
  }
  await live.server.close();
  await repository.dispose();
  await rm(targets, { recursive: true, force: true });
}, TIMEOUT_MS);

/** Started again whenever it ends, as systemd does. */
function startService(): void {
  service = spawn(process.execPath, [MAIN], { env: repository.env, stdio: 'ignore' });
  service.once('exit', () => {
    if (!isOver) startService();
  });
}

/** What a queue shows, newest generation's InRelease. */
async function newest(queue: string): Promise<string> {
  return readFile(path.join(repository.home.staging, queue, 'dists/bookworm/InRelease'), 'utf8');
}

async function generationOf(queue: string): Promise<number> {
  const { rows } = await repository.pool.query<{ number: number }>(
    `select coalesce(max(number), 0)::int as number from generations
      where queue = $1 and product = 'bookworm' and status <> 'preparing'`,
    [queue],
  );
  return rows[0]?.number ?? 0;
}

let version = 0;

async function publish(chance: () => number): Promise<void> {
  version += 1;
  const source = `moving${String(Math.floor(chance() * SOURCES))}`;
  const set = await makeSet(repository, { source, version: `1.${String(version)}` });
  const before = await generationOf('devel');
  await handOver(repository, set);
  await waitFor(
    'the set to be published',
    async () => (await generationOf('devel')) > before,
    STEP_TIMEOUT_MS,
  );
}

async function promote(): Promise<void> {
  await repository.pool.query(
    `insert into orders (kind, product, source, from_queue, to_queue)
     select 'promote', 'bookworm', source, 'devel', 'testing' from published where queue = 'devel'
      order by random() limit 1`,
  );
  await repository.pool.query(`select pg_notify('repository_wake', '')`);
  await waitFor(
    'the orders to be through',
    async () => {
      const { rowCount } = await repository.pool.query(
        `select from orders where status in ('requested', 'accepted')`,
      );
      return rowCount === 0;
    },
    STEP_TIMEOUT_MS,
  );
}

async function rollback(): Promise<void> {
  if ((await generationOf('devel')) < 2) return;
  const { code, stderr } = await run([AUTOBUILDER, 'rollback', 'devel', 'bookworm'], {
    env: repository.env,
    timeoutMs: 120_000,
  });
  expect({ code, said: stderr.toString('utf8') }).toMatchObject({ code: 0 });
}

async function change(chance: () => number): Promise<void> {
  const dice = chance();
  if (dice < 0.65) await publish(chance);
  else if (dice < 0.9) await promote();
  else await rollback();
}

function file(name: string): string {
  return `file:${path.join(targets, name)}`;
}

function makeClients(): Promise<UpdatingClient[]> {
  return Promise.all(
    [
      { name: 'http', base: live.url, byHash: true },
      { name: 'http without by-hash', base: live.url, byHash: false },
      { name: 'file', base: file('live'), byHash: true },
      { name: 'file of another target', base: file('third'), byHash: true },
      { name: RACING, base: file('second'), byHash: false },
    ].map((each) => startUpdating(repository.home.root, { ...each, queues: QUEUES })),
  );
}

/** Until every target has the newest state. */
async function changeEverything(chance: () => number): Promise<void> {
  for (let done = 0; done < CHANGES; done += 1) {
    if (chance() < 0.2) service.kill('SIGKILL');
    await change(chance);
  }
  for (const queue of QUEUES) {
    await waitFor(`${queue} in every target`, () => isEverywhere(queue), STEP_TIMEOUT_MS);
  }
}

test(
  'every update of every client succeeds, and each ends on the newest state',
  { timeout: TIMEOUT_MS },
  async () => {
    const chance = random(SEED);
    await waitFor(
      'the first generations in every target',
      async () => {
        const states = await Promise.all(QUEUES.map((queue) => isEverywhere(queue)));
        return states.every(Boolean);
      },
      STEP_TIMEOUT_MS,
    );
    const clients = await makeClients();
    let results: Updated[] = [];
    try {
      await changeEverything(chance);
    } finally {
      results = await Promise.all(clients.map((client) => client.finish()));
    }
    process.stdout.write(
      `${JSON.stringify(results.map(({ name, updates, failures }) => ({ name, updates, failures: failures.length })))}\n`,
    );
    for (const { name, updates, failures, seen } of results) {
      const broken =
        name === RACING ? failures.filter((said) => !said.includes('Hash Sum mismatch')) : failures;
      expect({ name, broken }).toEqual({ name, broken: [] });
      expect(updates).toBeGreaterThan(1);
      expect(seen).toEqual(await Promise.all(QUEUES.map(newest)));
    }
  },
);

async function isEverywhere(queue: string): Promise<boolean> {
  // A generation is recorded before it is switched to.
  const shown = await readlink(path.join(repository.home.staging, queue, 'dists/bookworm')).catch(() => '');
  if (Number(path.basename(shown)) !== (await generationOf(queue))) return false;
  const wanted = await newest(queue);
  const texts = await Promise.all(
    ['live', 'second', 'third'].map((name) =>
      readFile(path.join(targets, name, queue, 'dists/bookworm/InRelease'), 'utf8').catch(() => ''),
    ),
  );
  return texts.every((text) => text === wanted);
}
