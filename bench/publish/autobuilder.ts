/**
 * This project as it runs in production: the repository's service and its database are there, sets come into
 * incoming by a rename, and the work is done when `dists/<product>` shows them. gz, xz, by-hash, signed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readlink, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NODE_FLAGS } from '../../deploy/embedded/child.ts';
import { homeFolders, type Home } from '../../shared/config/home.ts';
import { ensureEmbeddedDatabase, stopEmbeddedDatabase } from '../../shared/database/embedded/server.ts';
import { databaseLayout } from '../../shared/database/embedded/layout.ts';
import { createPool, transaction } from '../../shared/database/pool.ts';
import { orderRemoval } from '../../shared/protocol/removal-order.ts';
import { minimalEnvironment } from '../../shared/process/run.ts';
import { waitFor } from '../../test/support/wait.ts';
import type { Contender } from './contender.ts';
import { command, inServers, type Cost } from './measure.ts';
import type { MadePackage } from './packages.ts';
import { makeSets } from './sets.ts';

const AT = { queue: 'devel', product: 'bench' } as const;
const CLI = path.join(import.meta.dirname, '../../bin/autobuilder');
const SERVICE = path.join(import.meta.dirname, '../../services/repository/main.ts');
const WAIT_MS = 30 * 60_000;
/** How often the bench looks whether the generation is there. */
const LOOK_MS = 1;

export interface OwnContender extends Contender {
  /** One package by a command of its own while no service runs: everything cold but the database. */
  addCold(each: MadePackage): Promise<Cost>;
}

interface Own {
  home: Home;
  env: Record<string, string>;
  service: ChildProcess | null;
}

/**
 * Makes a home in `folder`; the database starts with the first command. `allIndexes`: with Contents and
 * Translation-en, as it is by default, which the peers do not make.
 */
export async function autobuilder(folder: string, allIndexes: boolean): Promise<OwnContender> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const home = homeFolders(folder);
  const env = minimalEnvironment({ AUTOBUILDER_HOME: folder, LOG_LEVEL: 'warn' });
  await writeFile(path.join(folder, 'autobuilder.yaml'), JSON.stringify(configuration(allIndexes)));
  const own: Own = { home, env, service: null };
  return {
    name: allIndexes ? 'Autobuilder, all indexes' : 'Autobuilder',
    offers: `gz, xz, signed, by-hash${allIndexes ? ', Contents, Translation-en' : ''}`,
    isFull: true,
    importAll: async (packages) => importAll(own, path.dirname(packages[0]?.file ?? '')),
    add: (packages) => handOver(own, packages),
    remove: (each) => remove(own, each),
    addCold: (each) => addCold(own, each),
    close: async () => {
      await stopService(own);
      await stopEmbeddedDatabase(home.database);
    },
  };
}

function configuration(all: boolean): unknown {
  const sources = [{ uris: ['http://archive.example.org/debian'], suites: ['bench'], components: ['main'] }];
  return {
    products: { [AT.product]: { architectures: ['amd64'], sources } },
    // The same files as everybody else makes; see `allIndexes`.
    repository: { listen: '127.0.0.1:0', keyringPackage: false, contents: all, translations: all },
  };
}

/** From nothing: the service is not running yet, as on the day of a move. */
async function importAll(own: Own, folder: string): Promise<Cost> {
  await withService(own, () => Promise.resolve()); // makes database, key and empty archive
  const { queue, product } = AT;
  return runCommand(own, ['import', 'directory', folder, '--queue', queue, '--product', product]);
}

async function handOver(own: Own, packages: readonly MadePackage[]): Promise<Cost> {
  const making = path.join(own.home.root, 'making');
  const sets = await makeSets(making, AT, packages);
  return withService(own, async () => {
    await settle(own);
    return inServers(await servers(own), async () => {
      const incoming = path.join(own.home.repositoryIncoming, AT.queue, AT.product);
      const before = await current(own);
      for (const set of sets) await rename(set, path.join(incoming, path.basename(set)));
      if (sets.length === 1) await until(async () => (await current(own)) !== before);
      else
        await until(async () => (await Promise.all(sets.map((set) => isGone(incoming, set)))).every(Boolean));
    });
  });
}

/** What clients of staging see. */
async function current(own: Own): Promise<string> {
  return readlink(path.join(own.home.staging, AT.queue, 'dists', AT.product));
}

/** The folder in incoming goes after the generation with it is switched to. */
async function isGone(incoming: string, set: string): Promise<boolean> {
  return (await stat(path.join(incoming, path.basename(set))).catch(() => null)) === null;
}

/** As the web and the API do it: an order, which the service carries out. */
async function remove(own: Own, each: MadePackage): Promise<Cost> {
  return withService(own, async () => {
    await settle(own);
    const pool = createPool(await ensureEmbeddedDatabase(own.home.database), 'repository', () => undefined);
    try {
      return await inServers(await servers(own), async () => {
        const wanted = { ...AT, source: each.name, version: null, force: true, requestedBy: null };
        const id = await transaction(pool, (client) => orderRemoval(client, wanted));
        await until(async () => {
          const { rows } = await pool.query<{ status: string; reason: string | null }>(
            'select status, reason from orders where id = $1',
            [id],
          );
          if (rows[0]?.status === 'refused') throw new Error(`not removed: ${rows[0].reason ?? ''}`);
          return rows[0]?.status === 'done';
        });
      });
    } finally {
      await pool.end();
    }
  });
}

async function addCold(own: Own, each: MadePackage): Promise<Cost> {
  await withService(own, () => settle(own));
  await stopService(own);
  const [set] = await makeSets(path.join(own.home.root, 'making'), AT, [each]);
  const incoming = path.join(own.home.repositoryIncoming, AT.queue, AT.product);
  await rename(set as string, path.join(incoming, path.basename(set as string)));
  return runCommand(own, ['publish']);
}

/** A command of ours, with what it costs the database. */
async function runCommand(own: Own, args: readonly string[]): Promise<Cost> {
  const measured: { client?: Cost } = {};
  const database = await inServers({ own: [], database: await postmaster(own) }, async () => {
    measured.client = await command([CLI, ...args], { cwd: own.home.root, env: own.env });
  });
  const { client } = measured;
  if (!client) throw new Error('the command did not run');
  const { databasePeakMb = 0 } = database;
  return { ...client, cpuS: client.cpuS + database.cpuS, databasePeakMb };
}

/** Starts the service if it does not run. */
async function withService<T>(own: Own, work: () => Promise<T>): Promise<T> {
  if (own.service === null) {
    own.service = spawn(process.execPath, [...NODE_FLAGS, ...profileFlags(), SERVICE], {
      env: own.env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const dists = path.join(own.home.staging, 'stable', 'dists', AT.product);
    await waitFor('the service to publish', () => stat(dists).catch(() => null), WAIT_MS);
  }
  return work();
}

/** `BENCH_PROFILE=folder` writes a processor profile of the service when it ends. */
function profileFlags(): string[] {
  const folder = process.env['BENCH_PROFILE'];
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

async function stopService(own: Own): Promise<void> {
  const { service } = own;
  own.service = null;
  if (service === null || service.exitCode !== null) return;
  const ended = once(service, 'exit');
  service.kill('SIGTERM');
  await ended;
}

/** Nothing waits: what rqp still syncs from the run before would count for the next one. */
async function settle(own: Own): Promise<void> {
  const marker = path.join(own.home.staging, AT.queue, `.${AT.product}.changed`);
  await waitFor('live to be up to date', async () => !(await stat(marker).catch(() => null)), WAIT_MS);
  // Release counts seconds: generations in quick succession would wait for the clock, not for the work.
  const release = path.join(own.home.staging, AT.queue, 'dists', AT.product, 'Release');
  const nextMs = (await stat(release)).mtimeMs + 1000;
  await waitFor('the next second', () => Date.now() > nextMs, WAIT_MS);
}

async function until(probe: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await probe())) {
    if (Date.now() > deadline) throw new Error('the service did not take the sets');
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
}

async function servers(own: Own): Promise<{ own: number[]; database: number }> {
  const { service } = own;
  if (service?.pid === undefined) throw new Error('the service does not run');
  return { own: [service.pid], database: await postmaster(own) };
}

async function postmaster(own: Own): Promise<number> {
  const { data } = await databaseLayout(own.home.database);
  return Number((await readFile(path.join(data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
}
