/**
 * The scheduler at scale: 2,000 builds on 40 slots of 4 hosts, each in a network namespace with a real sshd.
 * Everything of garage is real, the runners are simulated (dispatch/simulated-nodejs), the repository takes
 * every set at once. Then: picking the next build among 100,000 that wait. Needs root.
 *
 * `BENCH_BUILDS` and `BENCH_BUILD_MS` (a build's average time) make it shorter; without builds, picking alone is measured.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openGarage, type Garage } from '../services/garage/context.ts';
import { garageKeyFile } from '../services/garage/dispatch/dispatcher.ts';
import { stopEmbeddedDatabase } from '../shared/database/embedded/server.ts';
import { createLogger } from '../shared/log/logger.ts';
import { minimalEnvironment } from '../shared/process/run.ts';
import { ensureKeyPair } from '../shared/ssh/key-pair.ts';
import { makeNamespaceHosts, type NamespaceHosts } from '../test/support/namespaces.ts';
import { waitFor } from '../test/support/wait.ts';
import { measurePicking } from './dispatch/pick.ts';
import { serveLive, takeSets, type Stopping } from './dispatch/repository.ts';
import { acceptSources } from './dispatch/sources.ts';

const HOSTS = 4;
const SLOTS = 10;
const BUILDS = Number(process.env['BENCH_BUILDS'] ?? 2_000);
const BUILD_MS = Number(process.env['BENCH_BUILD_MS'] ?? 8_000);
/** Clock ticks of /proc in a second; 100 on every Linux. */
const TICKS = 100;
const DRAIN_TIMEOUT_MS = 3_600_000;

interface Scene {
  garage: Garage;
  folder: string;
  hosts: NamespaceHosts;
  repository: Stopping;
}

/** Runs the bench and returns its figures. */
export async function run(): Promise<Record<string, unknown>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-bench-'));
  await chmod(folder, 0o755);
  const live = await serveLive();
  const scene = await setUp(folder, live.url);
  try {
    if (BUILDS === 0) return { ...(await measurePicking(scene.garage)) };
    await acceptSources(scene.garage, BUILDS);
    process.stdout.write(`${String(BUILDS)} builds wait for ${String(HOSTS * SLOTS)} slots\n`);
    const drained = await drain(scene);
    process.stdout.write(`${JSON.stringify(drained)}\n`);
    return { ...drained, ...(await measurePicking(scene.garage)) };
  } finally {
    await scene.repository.stop();
    await scene.hosts.dispose();
    await live.stop();
    await scene.garage.close();
    await stopEmbeddedDatabase(scene.garage.home.database);
    await rm(folder, { recursive: true, force: true });
  }
}

async function setUp(folder: string, liveUrl: string): Promise<Scene> {
  const home = path.join(folder, 'home');
  await mkdir(home);
  const sources = [{ uris: ['http://archive.example.org/debian'], suites: ['x'], components: ['main'] }];
  // A check is one more job on the same host; what is measured here is the scheduler.
  const checks = { install: 'off', lintian: 'off', autopkgtest: 'off', piuparts: 'off', rebuild: 'off' };
  const product = { architectures: ['amd64'], sources, checks };
  const configuration = {
    products: { one: product, two: product },
    garage: { repositoryUrl: liveUrl, listen: '127.0.0.1:0' },
  };
  await writeFile(path.join(home, 'autobuilder.yaml'), JSON.stringify(configuration));
  process.env['AUTOBUILDER_HOME'] = home;
  delete process.env['AUTOBUILDER_CONFIG'];
  delete process.env['DATABASE_URL'];
  const log = createLogger('bench');
  log.level = 'warn';
  const garage = await openGarage(log);
  const hosts = await makeHosts(garage, folder);
  return { garage, folder, hosts, repository: await takeSets(garage) };
}

async function makeHosts(garage: Garage, folder: string): Promise<NamespaceHosts> {
  const programs = path.join(folder, 'programs');
  await mkdir(programs);
  await copyFile(path.join(import.meta.dirname, 'dispatch/simulated-nodejs'), path.join(programs, 'nodejs'));
  await chmod(path.join(programs, 'nodejs'), 0o755);
  const key = await ensureKeyPair(garageKeyFile(garage), 'bench');
  const set = await makeNamespaceHosts(HOSTS, {
    authorizedKey: key.publicKey,
    environment: { PATH: `${programs}:/usr/bin:/bin`, BENCH_BUILD_MS: String(BUILD_MS) },
  });
  for (const { name, address, port, username, hostKey, workdir } of set.hosts) {
    await garage.pool.query(
      `insert into hosts (name, address, port, username, host_key, workdir, slots, architectures)
       values ($1, $2, $3, $4, $5, $6, $7, '{amd64}')`,
      [name, address, port, username, hostKey, workdir, SLOTS],
    );
  }
  return set;
}

interface Drained {
  builds: number;
  slots: number;
  /** From the first lease to the last build that was published. */
  drain_s: number;
  /** Share of the slots' time that is leased, from the first lease until nothing waits any more. */
  slots_busy_share: number;
  /** Share of it in which a runner runs: what copying and collecting leave. */
  slots_building_share: number;
  /** As many as builds, unless a machine's fault was tried again. */
  tries: number;
  /** Processor time of the garage service by the time from the first lease to the end. */
  garage_cpu_cores: number;
  garage_max_rss_mb: number;
}

async function drain(scene: Scene): Promise<Drained> {
  const { pool } = scene.garage;
  const service = startService(scene);
  try {
    const ended = once(service, 'exit').then(() => {
      throw new Error('the garage service ended; nothing is measured');
    });
    const until = <T>(what: string, probe: () => Promise<T>): Promise<unknown> =>
      Promise.race([waitFor(what, probe, DRAIN_TIMEOUT_MS), ended]);
    await until('the first lease', () => isSome(scene, 'select from attempts'));
    const [began, cpuAtStart] = [Date.now(), await cpuSeconds(service)];
    const open = `select from builds where status <> 'installed'`;
    await until('all builds to be published', async () => !(await isSome(scene, open)));
    ended.catch(() => undefined);
    const seconds = (Date.now() - began) / 1000;
    const cpu = (await cpuSeconds(service)) - cpuAtStart;
    const { rows } = await pool.query<{ busy: number; building: number; tries: number }>(SHARES, [
      HOSTS * SLOTS,
    ]);
    const [shares] = rows;
    if (!shares) throw new Error('nothing was built');
    await tellFaults(scene);
    return {
      builds: BUILDS,
      slots: HOSTS * SLOTS,
      drain_s: round(seconds),
      slots_busy_share: round(shares.busy),
      slots_building_share: round(shares.building),
      tries: shares.tries,
      garage_cpu_cores: round(cpu / seconds),
      garage_max_rss_mb: await maxRssMb(service),
    };
  } finally {
    if (service.exitCode === null) {
      service.kill('SIGTERM');
      await once(service, 'exit');
    }
  }
}

/** Time in slots against what there was of it until the last build was leased: then nothing waits any more. */
const SHARES = `
  with span as (select min(started_at) as first, max(started_at) as last from attempts)
  select (sum(extract(epoch from least(a.finished_at, s.last) - a.started_at))
          / (extract(epoch from max(s.last) - min(s.first)) * $1))::float8 as busy,
         (sum((a.result->'stageSeconds'->>'build')::float8
              * least(1, extract(epoch from s.last - a.started_at) / extract(epoch from a.finished_at - a.started_at)))
          / (extract(epoch from max(s.last) - min(s.first)) * $1))::float8 as building,
         count(*)::int as tries
    from attempts a cross join span s`;

async function tellFaults({ garage }: Scene): Promise<void> {
  const { rows } = await garage.pool.query<{ message: string }>(
    `select coalesce(message, '') as message from attempts where exit_class <> 'success' limit 5`,
  );
  for (const { message } of rows) process.stderr.write(`a build was tried again: ${message}\n`);
}

function startService({ folder }: Scene): ChildProcess {
  const main = path.join(import.meta.dirname, '../services/garage/main.ts');
  const flags = process.env['BENCH_PROFILE']
    ? ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROFILE']}`]
    : [];
  return spawn(process.execPath, [...flags, main], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: minimalEnvironment({
      AUTOBUILDER_HOME: path.join(folder, 'home'),
      LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'error',
    }),
  });
}

async function isSome({ garage }: Scene, sql: string): Promise<boolean> {
  return (await garage.pool.query(`${sql} limit 1`)).rowCount === 1;
}

async function cpuSeconds(service: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${String(service.pid)}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

async function maxRssMb(service: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${String(service.pid)}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
