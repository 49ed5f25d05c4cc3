/**
 * Faults of a host with the real runner and real builds on it: the runner killed, the power cut, the disk full,
 * the clock off by a day. The build is given back and then built, and nothing stays on the host.
 */
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { machineArchitecture, machineCodename } from '../../shared/config/machine.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { buildOf, insertSource } from '../integration/dispatch-support.ts';
import { emptyLive } from '../support/empty-live.ts';
import { makeSourcePackage } from '../support/source-package.ts';
import { waitFor } from '../support/wait.ts';
import { openFaultLine, type FaultHost, type FaultLine } from './fault-line.ts';
import { expectDeliveredOnce, leftOnHosts } from './fault-oracle.ts';
import { fillDisk } from './fault-moments.ts';
import { chosen } from './seeds.ts';

/** A cold base is made first. */
const TIMEOUT_MS = 300_000;
/** A build takes 3 s with nothing else to do; other tests run beside it. */
const COMES_MS = 90_000;
const DISK_BYTES = 256 * 1024 * 1024;
const MIN_FREE_BYTES = 16 * 1024 * 1024;
const DAY_MS = 24 * 3_600_000;
/** Of the runner's stages those that take long enough to be met. */
const STAGES = ['setup', 'build'] as const;

let line: FaultLine;
let scratch: string;
let product: string;
let made = 0;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'autobuilder-faults-runner-'));
  await chmod(scratch, 0o755);
  product = await machineCodename();
  const architecture = await machineArchitecture();
  await writeFile(path.join(scratch, 'clock.cjs'), SHIFT_CLOCK);
  await setClock(0);
  line = await openFaultLine(1, {
    build: { minFreeBytes: MIN_FREE_BYTES },
    products: { [product]: { architectures: [architecture], checks: { install: 'off' } } },
    live: await emptyLive(path.join(scratch, 'live'), product, architecture),
    hosts: {
      ...{ shareBases: true, diskBytes: DISK_BYTES },
      environment: { NODE_OPTIONS: `--require=${path.join(scratch, 'clock.cjs')}` },
    },
  });
}, TIMEOUT_MS);
afterAll(async () => {
  await line?.dispose();
  await rm(scratch, { recursive: true, force: true });
}, TIMEOUT_MS);

/** What every nodejs on the host begins with: its clock is the machine's and what stands in the file beside. */
const SHIFT_CLOCK = `
const offset = Number(require('node:fs').readFileSync(__dirname + '/clock-offset', 'utf8'));
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) { if (args.length === 0) super(RealDate.now() + offset); else super(...args); }
  static now() { return RealDate.now() + offset; }
};
`;

function setClock(offsetMs: number): Promise<void> {
  return writeFile(path.join(scratch, 'clock-offset'), String(offsetMs));
}

/** A new version of a real package; the source's id. */
async function accept(name = 'greeter'): Promise<string> {
  made += 1;
  const version = `${String(made)}.0-1`;
  const source = await makeSourcePackage(name, { outDir: path.join(scratch, 'packages', version), version });
  const directory = `sources/${product}/${name}/${version}`;
  await mkdir(path.join(line.garage.home.root, directory), { recursive: true });
  const files = [];
  for (const file of source.files.filter((each) => !each.endsWith('.changes'))) {
    await copyFile(file, path.join(line.garage.home.root, directory, path.basename(file)));
    const { size, sums } = await hashFile(file, ['sha256']);
    files.push({ name: path.basename(file), size, sha256: sums['sha256'] });
  }
  return insertSource(line.garage, { name, version, architectures: ['any'], files, directory });
}

const host = (): FaultHost => line.hosts[0]!;

async function attemptFolder(source: string): Promise<string> {
  const attempts = path.join(host().workdir, 'attempts');
  const [instance = ''] = await readdir(attempts);
  const [attempt] = (await buildOf(line.garage, source)).attempts;
  return path.join(attempts, instance, attempt!.id);
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T;
}

/** Waits until the runner says that it is in `stage`; the attempt's folder. */
async function isIn(source: string, stage: string): Promise<string> {
  return waitFor(
    `stage ${stage}`,
    async () => {
      const folder = await attemptFolder(source);
      const status = await readJson<{ stage: string }>(path.join(folder, 'status.json'));
      return status.stage === stage && folder;
    },
    COMES_MS,
  );
}

async function isHandedOver(source: string): Promise<void> {
  await waitFor(
    'it to be handed over',
    async () => {
      await line.garage.pool.query(
        `update builds set not_before = now() where source_id = $1 and not_before > now()`,
        [source],
      );
      const build = await buildOf(line.garage, source);
      if (build.status === 'uploaded') return true;
      throw new Error(`it is ${build.status} (${build.fail_reason ?? ''})`);
    },
    COMES_MS,
  );
}

/** Processes in a target of this host: in a mount namespace of their own that has something of the work folder. */
async function programsInTargets(): Promise<string[]> {
  const own = await readlink('/proc/self/ns/mnt');
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const space = await readlink(`/proc/${pid}/ns/mnt`).catch(() => own);
    if (space === own) continue;
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
    if (mounts.includes(`${host().workdir}/attempts`)) found.push(pid);
  }
  return found;
}

/** What is still there once nothing has to be; empty for a clean host. */
async function leftThere(): Promise<string[]> {
  const left = await leftOnHosts(line);
  await waitFor('targets to be gone', async () => (await programsInTargets()).length === 0).catch(
    () => undefined,
  );
  return [...left, ...(await programsInTargets())];
}

test('builds on such a host at all', { timeout: TIMEOUT_MS }, async () => {
  const source = await accept();
  await isHandedOver(source);
  expect(await expectDeliveredOnce(line, source)).toMatchObject({ given_back: 0 });
  expect(await leftThere()).toEqual([]);
});

test.each(chosen('runner', STAGES))('the runner killed in %s', { timeout: TIMEOUT_MS }, async (stage) => {
  const source = await accept();
  const folder = await isIn(source, stage);
  const { pid } = await readJson<{ pid: number }>(path.join(folder, 'runner.json'));
  process.kill(pid, 'SIGKILL');
  await isHandedOver(source);
  const build = await expectDeliveredOnce(line, source);
  expect(build).toMatchObject({ given_back: 1, attempts: [{ exit_class: 'machine', stage }, {}] });
  expect(await leftThere()).toEqual([]);
});

test.each(chosen('power', STAGES))('the power cut in %s', { timeout: TIMEOUT_MS }, async (stage) => {
  const source = await accept();
  await isIn(source, stage);
  await host().crash();
  for (const pid of await programsInTargets()) process.kill(Number(pid), 'SIGKILL');
  await host().startSshd();
  await isHandedOver(source);
  expect((await expectDeliveredOnce(line, source)).given_back).toBeLessThanOrEqual(1);
  expect(await leftThere()).toEqual([]);
});

const DISKS: ['before it is copied' | (typeof STAGES)[number], number][] = [
  ['before it is copied', 4 * 1024],
  ['setup', 0],
  ['build', 0],
];
test.each(chosen('disk', DISKS))('the disk full: %s', { timeout: TIMEOUT_MS }, async (moment, leave) => {
  const early = moment === 'before it is copied' ? await fillDisk(host(), leave) : null;
  const source = await accept();
  if (early === null) await isIn(source, moment);
  const free = early ?? (await fillDisk(host(), leave));
  try {
    await waitFor('it to be given back, or nothing to be given to the host', async () => {
      const build = await buildOf(line.garage, source);
      if (build.given_back === 1 || (await isUnwell())) return true;
      throw new Error(`it is ${build.status}: ${build.fail_class ?? ''} ${build.fail_reason ?? ''}`);
    });
  } finally {
    await free();
  }
  await isHandedOver(source);
  expect((await expectDeliveredOnce(line, source)).given_back).toBeLessThanOrEqual(1);
  expect(await leftThere()).toEqual([]);
});

/** Garage knows that the host cannot take work. */
async function isUnwell(): Promise<boolean> {
  const { rowCount } = await line.garage.pool.query('select 1 from hosts where last_error is not null');
  return rowCount === 1;
}

test.each([-DAY_MS, DAY_MS])('a clock that is off by %i ms', { timeout: TIMEOUT_MS }, async (offset) => {
  await setClock(offset);
  try {
    const source = await accept();
    await isHandedOver(source);
    await expectDeliveredOnce(line, source);
    const { rows } = await line.garage.pool.query<{ started: number; finished: number; host: string }>(
      `select abs(extract(epoch from now() - a.started_at))::float8 as started,
              abs(extract(epoch from now() - a.finished_at))::float8 as finished, a.result->>'finishedAt' as host
         from attempts a join builds b on b.id = a.build_id
        where b.source_id = $1 and a.exit_class = 'success'`,
      [source],
    );
    // The host believes in its clock; what garage goes by is garage's own.
    expect(Math.abs(Date.parse(rows[0]!.host) - Date.now() - offset)).toBeLessThan(DAY_MS / 24);
    expect(rows[0]!.started).toBeLessThan(3600);
    expect(rows[0]!.finished).toBeLessThan(3600);
    expect(await leftThere()).toEqual([]);
  } finally {
    await setClock(0);
  }
});
