/** What the tests of dispatch share: a builder host by services/builder/main.ts, a live to fetch from, sources. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { planBuilds } from '../../services/garage/dispatch/plan.ts';
import type { Dispatcher } from '../../services/garage/dispatch/dispatcher.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { runChecked } from '../../shared/process/run.ts';
import type { RunnerBundle } from '../../shared/runner-bundle/bundle.ts';
import { openTestGarage, type TestGarage, type TestGarageOverrides } from '../support/garage.ts';
import { waitFor } from '../support/wait.ts';

const CHECKOUT = path.resolve(import.meta.dirname, '../..');
const BUILDER_USER = 'autobuilder-builder';

/** A folder that the user who logs in may write to. */
export async function makeWorkdir(): Promise<string> {
  const workdir = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-work-'));
  if (process.getuid?.() !== 0) return workdir;
  const { stdout } = await runChecked(['getent', 'passwd', BUILDER_USER]);
  const [, , uid, gid] = stdout.toString('utf8').split(':');
  await chown(workdir, Number(uid), Number(gid));
  return workdir;
}

export interface BuilderService {
  pid: number;
  /** The sshd that runs now, as the service noted it. */
  sshdPid(): Promise<number>;
  /** Ends sshd and every connection it serves, as a crash would; the service starts it again. */
  breakConnections(): Promise<void>;
  /** Ends it; what it logged. */
  stop(name?: NodeJS.Signals): Promise<string>;
}

/** Starts it as a child; resolves when it has made itself known. */
export async function startBuilder(garage: TestGarage): Promise<BuilderService> {
  const hostFile = path.join(garage.home.builder, 'host.json');
  await rm(hostFile, { force: true });
  const child = spawn(process.execPath, [path.join(CHECKOUT, 'services/builder/main.ts')], {
    env: garage.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let logged = '';
  child.stderr.on('data', (chunk: Buffer) => (logged += chunk.toString('utf8')));
  const ended = once(child, 'exit');
  const sshdPid = async (): Promise<number> => {
    const text = await readFile(path.join(garage.home.builder, 'sshd.json'), 'utf8');
    return (JSON.parse(text) as { pid: number }).pid;
  };
  await waitFor('the builder host to make itself known', async () => {
    if (child.exitCode !== null) throw new Error(logged);
    return readFile(hostFile, 'utf8').catch(() => null);
  });
  return {
    pid: child.pid ?? 0,
    sshdPid,
    breakConnections: async () => {
      const pid = await waitFor('an sshd that runs', async () => {
        const noted = await sshdPid();
        return isAlive(noted) && noted;
      });
      // As root each connection is two processes, and the lower one holds it alone if need be.
      const connections = await childrenOf(pid);
      const lower = await Promise.all(connections.map((each) => childrenOf(each)));
      for (const each of [pid, ...connections, ...lower.flat()]) {
        if (await isSshd(each)) process.kill(each, 'SIGKILL');
      }
    },
    stop: async (name = 'SIGTERM') => {
      child.kill(name);
      await ended;
      return logged;
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function isSshd(pid: number): Promise<boolean> {
  const name = await readFile(`/proc/${String(pid)}/comm`, 'utf8').catch(() => '');
  return name.startsWith('sshd');
}

export async function childrenOf(pid: number): Promise<number[]> {
  const file = `/proc/${String(pid)}/task/${String(pid)}/children`;
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

export interface Live {
  url: string;
  close(): Promise<void>;
}

/** A live that has a key and says that every product is published; nothing is fetched from it. */
export async function serveLive(): Promise<Live> {
  const server = createServer((request, response) => {
    if (request.url === '/archive-key.asc') {
      response.end('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n');
    } else response.writeHead(request.url?.endsWith('/InRelease') === true ? 200 : 404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** The stateful stand-in for the runner, see dispatch-fake-runner.mjs. */
export async function fakeRunner(): Promise<RunnerBundle> {
  const name = fileURLToPath(new URL('dispatch-fake-runner.mjs', import.meta.url));
  const { sums } = await hashFile(name, ['sha256']);
  return { file: await readFile(name), sha256: sums['sha256'] ?? '' };
}

export interface Line {
  garage: TestGarage;
  live: Live;
  builder: BuilderService;
  workdir: string;
  dispose(): Promise<void>;
}

/** A garage, a live and a builder host with `slots` slots in a work folder of its own. */
export async function openLine(
  build: NonNullable<TestGarageOverrides['garage']>['build'] = {},
  slots = 2,
  more: Pick<TestGarageOverrides, 'products'> = {},
): Promise<Line> {
  const live = await serveLive();
  const workdir = await makeWorkdir();
  const garage = await openTestGarage({
    ...more,
    garage: { repositoryUrl: live.url, url: 'http://garage.example.org', build },
    builder: { listen: '127.0.0.1:0', slots, workdir },
  });
  const { ensureKeyPair } = await import('../../shared/ssh/key-pair.ts');
  await ensureKeyPair(path.join(garage.home.garage, 'ssh', 'id_ed25519'), 'test');
  const line: Line = {
    garage,
    live,
    workdir,
    builder: await startBuilder(garage),
    dispose: async () => {
      await line.builder.stop();
      await live.close();
      await garage.dispose();
      await rm(workdir, { recursive: true, force: true });
    },
  };
  return line;
}

function productOf(garage: TestGarage): string {
  return garage.common.products[0]!.name;
}

let uploads = 0;

/** An accepted source with real files, and its builds planned. Returns the source's id. */
export async function acceptSource(
  garage: TestGarage,
  name: string,
  version = '1.0',
  architectures = ['any'],
): Promise<string> {
  const directory = `sources/${productOf(garage)}/${name}/${version}-${String((uploads += 1))}`;
  const folder = path.join(garage.home.root, directory);
  await mkdir(folder, { recursive: true });
  const files = [];
  for (const file of [`${name}_${version}.dsc`, `${name}_${version}.tar.xz`]) {
    await writeFile(path.join(folder, file), `${file} of ${name}\n`.repeat(5_000));
    const { size, sums } = await hashFile(path.join(folder, file), ['sha256']);
    files.push({ name: file, size, sha256: sums['sha256'] });
  }
  return insertSource(garage, { name, version, architectures, files, directory });
}

export interface SourceFacts {
  name: string;
  version: string;
  architectures: string[];
  files: unknown[];
  /** Relative to AUTOBUILDER_HOME. */
  directory: string;
}

export async function insertSource(garage: TestGarage, facts: SourceFacts): Promise<string> {
  const { pool } = garage;
  const product = productOf(garage);
  await pool.query(
    `insert into accounts (login, email) values ('maker', 'maker@example.org') on conflict do nothing`,
  );
  const upload = await pool.query<{ id: string }>(
    `insert into uploads (product, account_id, trigger_file, files, status)
     select $1, id, 'x', '{}', 'accepted' from accounts where login = 'maker' returning id`,
    [product],
  );
  const { rows } = await pool.query<{ id: string }>(
    `insert into sources (upload_id, product, name, version, dsc, architectures, files, directory)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`,
    [
      upload.rows[0]?.id,
      product,
      facts.name,
      facts.version,
      `${facts.name}_${facts.version}.dsc`,
      facts.architectures,
      JSON.stringify(facts.files),
      facts.directory,
    ],
  );
  const id = rows[0]?.id ?? '';
  await planBuilds(pool, garage, id);
  return id;
}

export interface BuildState {
  id: string;
  status: string;
  fail_class: string | null;
  fail_reason: string | null;
  given_back: number;
  attempts: { id: string; number: number; exit_class: string | null; stage: string; directory: string }[];
}

/** The source's only build (or the one on `architecture`) with its attempts. */
export async function buildOf(garage: TestGarage, sourceId: string): Promise<BuildState> {
  const { rows } = await garage.pool.query<BuildState>(
    `select b.id, b.status, b.fail_class, b.fail_reason, b.given_back,
            coalesce((select jsonb_agg(jsonb_build_object('id', a.id, 'number', a.number, 'stage', a.stage,
                                       'exit_class', a.exit_class, 'directory', a.directory) order by a.number)
                        from attempts a where a.build_id = b.id), '[]') as attempts
       from builds b where b.source_id = $1 order by b.architecture`,
    [sourceId],
  );
  const row = rows[0];
  if (!row) throw new Error(`source ${sourceId} has no build`);
  return row;
}

/** Rounds until the build has a status; each round is real, so nothing waits for cron. */
export async function waitForStatus(
  garage: TestGarage,
  dispatcher: Dispatcher,
  sourceId: string,
  status: string,
): Promise<BuildState> {
  return waitFor(`status ${status}`, async () => {
    await dispatcher.round();
    const build = await buildOf(garage, sourceId);
    if (build.status === status) return build;
    throw new Error(`it is ${build.status} (${build.fail_reason ?? ''})`);
  });
}

/** Given-back builds wait some seconds; a test does not. */
export async function forgetWaiting(garage: TestGarage): Promise<void> {
  await garage.pool.query('update builds set not_before = now()');
}
