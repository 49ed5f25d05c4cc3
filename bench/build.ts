/**
 * What Autobuilder adds around a build, and Debian's `hello` through the whole line against sbuild by hand from
 * the same base, one after the other by turns. All services are real; bases are made beforehand. Times are
 * medians in seconds.
 *
 * sbuild by hand gets the least it can do: no upgrade, no lintian, as many processors as the line's builds.
 * `hello_ratio_to_sbuild` is the line as it is configured by default: on hosts that remember what a build
 * installed. `..._fresh_dependencies` is the same with all of that forgotten but the downloaded packages, and
 * both include the install check, which sbuild does not do.
 */
import { chown, copyFile, mkdir, mkdtemp, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fetchSource } from '../deploy/embedded/demo/fetch.ts';
import { makeLocalVersion } from '../deploy/embedded/demo/local-version.ts';
import { machineArchitecture } from '../shared/config/machine.ts';
import { minimalEnvironment, runChecked } from '../shared/process/run.ts';
import { dput, makeInstallation, type Installation, type Uploader } from '../test/support/installation.ts';
import { makeSourcePackage, signChanges } from '../test/support/source-package.ts';
import { waitFor } from '../test/support/wait.ts';

/** Counted runs of the trivial package; one more goes before. */
const TRIVIAL_RUNS = 5;
const ROUNDS = 3;
const RUN_TIMEOUT_MS = 900_000;
const BUILDER_USER = 'autobuilder-builder';
const USER_NAMESPACE = ['unshare', '--map-auto', '--map-root-user'] as const;

interface Bench {
  line: Installation;
  uploader: Uploader;
  /** The builder host's work folder, of this bench alone. */
  workdir: string;
  /** Whose it is; none for oneself. */
  ids: { uid?: number; gid?: number };
  architecture: string;
}

interface Times {
  uploadToBuilding: number;
  uploadToVisible: number;
  /** In the target: its stages, dependencies, build. */
  inTarget: number;
  checks: number;
}

async function makeWorkdir(): Promise<Pick<Bench, 'workdir' | 'ids'>> {
  const workdir = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-bench-build-'));
  if (process.getuid?.() !== 0) return { workdir, ids: {} };
  const { stdout } = await runChecked(['getent', 'passwd', BUILDER_USER]);
  const [, , uid, gid] = stdout.toString('utf8').split(':').map(Number);
  await chown(workdir, uid ?? 0, gid ?? 0);
  return { workdir, ids: { uid: uid ?? 0, gid: gid ?? 0 } };
}

/** As the user who builds. */
async function asBuilder(
  bench: Bench,
  argv: [string, ...string[]],
  env: Record<string, string> = {},
): Promise<void> {
  await runChecked(argv, {
    ...bench.ids,
    cwd: bench.workdir,
    env: minimalEnvironment({ HOME: bench.workdir, ...env }),
    timeoutMs: RUN_TIMEOUT_MS,
    maxOutputBytes: 64 * 1024 * 1024,
  });
}

async function isVisible(bench: Bench, source: string, version: string): Promise<boolean> {
  const { line, architecture } = bench;
  const url = `${line.liveUrl}/devel/dists/${line.product}/main/binary-${architecture}/Packages.gz`;
  const answer = await fetch(url);
  if (!answer.ok) return false;
  const text = gunzipSync(await answer.arrayBuffer()).toString('utf8');
  return text
    .split('\n\n')
    .some(
      (stanza) => stanza.startsWith(`Package: ${source}\n`) && stanza.includes(`\nVersion: ${version}\n`),
    );
}

/** Uploads, and waits until apt would see it. */
async function throughTheLine(
  bench: Bench,
  changes: string,
  source: string,
  version: string,
): Promise<Times> {
  const { line, uploader } = bench;
  const sending = await dput(line, uploader, changes);
  if (sending.code !== 0) throw new Error(`dput: ${sending.stderr.toString('utf8')}`);
  await waitFor(
    `${source} ${version} in live`,
    async () => {
      const { rows } = await line.pool.query<{ reason: string }>(
        `select b.fail_reason as reason from builds b join sources s on s.id = b.source_id
          where s.name = $1 and s.version = $2 and b.status = 'attempted'`,
        [source, version],
      );
      if (rows[0]) throw new Error(rows[0].reason);
      return isVisible(bench, source, version);
    },
    RUN_TIMEOUT_MS,
  );
  return timesOf(bench, path.basename(changes), Date.now());
}

async function timesOf(bench: Bench, trigger: string, visibleMs: number): Promise<Times> {
  const { line } = bench;
  const { rows } = await line.pool.query<{
    started: Date;
    stages: Record<string, number>;
    directory: string;
    checks: number;
  }>(
    `select a.started_at as started, a.result->'stageSeconds' as stages, s.directory,
            (select coalesce(sum(extract(epoch from c.finished_at - c.started_at)), 0)::float8
               from checks c where c.attempt_id = a.id) as checks
       from uploads u join sources s on s.upload_id = u.id join builds b on b.source_id = s.id
       join attempts a on a.build_id = b.id where u.trigger_file = $1`,
    [trigger],
  );
  const row = rows[0]!;
  // Renames keep the time at which drop wrote the last byte.
  const { mtimeMs } = await stat(path.join(line.home.root, row.directory, trigger));
  return {
    uploadToBuilding: (row.started.getTime() - mtimeMs) / 1000,
    uploadToVisible: (visibleMs - mtimeMs) / 1000,
    inTarget: Object.values(row.stages).reduce((sum, seconds) => sum + seconds, 0),
    checks: row.checks,
  };
}

async function trivial(bench: Bench, number: number): Promise<Times> {
  const version = `${String(number)}.0-1`;
  const outDir = path.join(bench.line.home.root, 'packages', version);
  const made = await makeSourcePackage('greeter', { outDir, version });
  await signChanges(made.changes, bench.uploader.openpgpPrivate);
  return throughTheLine(bench, made.changes, 'greeter', version);
}

/** Debian's hello with a version of its own for each run. */
async function helloVersion(bench: Bench, fetched: string, number: number): Promise<string> {
  const folder = path.join(bench.line.home.root, 'packages', `hello-${String(number)}`);
  await mkdir(folder, { recursive: true });
  const names = (await readdir(path.dirname(fetched))).filter((name) => name.startsWith('hello_'));
  for (const name of names) await copyFile(path.join(path.dirname(fetched), name), path.join(folder, name));
  const { login, email, openpgpPrivate } = bench.uploader;
  return makeLocalVersion(path.join(folder, path.basename(fetched)), {
    suffix: `bench${String(number)}`,
    distribution: bench.line.product,
    signer: { identity: `${login} <${email}>`, privateKey: openpgpPrivate },
  });
}

async function hello(bench: Bench, changes: string): Promise<Times> {
  const version = /_(.+)_source\.changes$/.exec(changes)?.[1] ?? '';
  return throughTheLine(bench, changes, 'hello', version);
}

/** The base that the line builds on, as the tar that sbuild takes. */
async function packBase(bench: Bench): Promise<string> {
  const bases = path.join(bench.workdir, 'bases');
  const name = (await readdir(bases)).find((each) => /-[0-9a-f]{12}$/.test(each)) ?? '';
  const root = path.join(await realpath(path.join(bases, name)), 'root');
  const tar = path.join(bench.workdir, 'base.tar');
  const pack = ['tar', '--create', '--numeric-owner', `--file=${tar}`, `--directory=${root}`, '.'] as const;
  await asBuilder(bench, [...USER_NAMESPACE, ...pack]);
  return tar;
}

/** Seconds that it takes by hand. */
async function sbuild(bench: Bench, tar: string, changes: string): Promise<number> {
  const from = path.dirname(changes);
  const folder = path.join(bench.workdir, 'by-hand');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const { uid, gid } = bench.ids;
  for (const name of (await readdir(from)).filter((each) => each.startsWith('hello_'))) {
    await copyFile(path.join(from, name), path.join(folder, name));
  }
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  const dsc = path.join(folder, path.basename(changes).replace('_source.changes', '.dsc'));
  const less = ['--no-run-lintian', '--no-apt-upgrade', '--no-apt-distupgrade', '--nolog'];
  const config = path.join(bench.workdir, 'sbuild.conf');
  await writeFile(config, "$environment_filter = [ '^PATH$', '^LC_ALL$', '^DEB_BUILD_OPTIONS$' ];\n1;\n");
  const began = Date.now();
  await asBuilder(
    bench,
    [
      ...['sbuild', '--chroot-mode=unshare', `--chroot=${tar}`, `--dist=${bench.line.product}`],
      ...[...less, `--build-dir=${folder}`, dsc],
    ] as [string, ...string[]],
    { DEB_BUILD_OPTIONS: `parallel=${String(os.cpus().length)}`, SBUILD_CONFIG: config },
  );
  return (Date.now() - began) / 1000;
}

async function forgetDependencies(bench: Bench): Promise<void> {
  await asBuilder(bench, [...USER_NAMESPACE, 'rm', '-rf', path.join(bench.workdir, 'layers')]);
}

async function measureHello(bench: Bench): Promise<Record<string, number>> {
  const fetchedTo = path.join(bench.line.home.root, 'fetched');
  await mkdir(fetchedTo, { recursive: true });
  const fetched = await fetchSource('hello', fetchedTo);
  let number = 0;
  const next = (): Promise<string> => helloVersion(bench, fetched, (number += 1));
  await hello(bench, await next()); // packages are fetched once
  const tar = await packBase(bench);
  const runs: { hand: number; warm: Times; fresh: Times }[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const changes = await next();
    const hand = await sbuild(bench, tar, changes);
    const warm = await hello(bench, changes);
    await forgetDependencies(bench);
    const fresh = await hello(bench, await next());
    process.stdout.write(`round ${String(round)}: ${JSON.stringify({ hand, warm, fresh })}\n`);
    runs.push({ hand, warm, fresh });
  }
  const byHand = median(runs.map((each) => each.hand));
  const warm = median(runs.map((each) => each.warm.uploadToVisible));
  const fresh = median(runs.map((each) => each.fresh.uploadToVisible));
  return {
    hello_s: warm,
    hello_fresh_dependencies_s: fresh,
    hello_checks_s: median(runs.map((each) => each.warm.checks)),
    sbuild_s: byHand,
    hello_ratio_to_sbuild: round3(warm / byHand),
    hello_ratio_to_sbuild_fresh_dependencies: round3(fresh / byHand),
  };
}

async function measureOverhead(bench: Bench): Promise<Record<string, number>> {
  await trivial(bench, 1); // base, runner on the host, caches
  const runs: Times[] = [];
  for (let number = 2; number <= TRIVIAL_RUNS + 1; number += 1) {
    const times = await trivial(bench, number);
    process.stdout.write(`trivial: ${JSON.stringify(times)}\n`);
    runs.push(times);
  }
  const overhead = (times: Times): number => times.uploadToVisible - times.inTarget - times.checks;
  return {
    upload_to_building_s: median(runs.map((each) => each.uploadToBuilding)),
    pipeline_overhead_s: median(runs.map(overhead)),
    target_s: median(runs.map((each) => each.inTarget)),
  };
}

/** Runs the bench and returns its figures. */
export async function run(): Promise<Record<string, unknown>> {
  const place = await makeWorkdir();
  const line = await makeInstallation({ config: { builder: { workdir: place.workdir } } });
  const bench: Bench = {
    ...{ line, ...place, architecture: await machineArchitecture() },
    uploader: undefined as never,
  };
  try {
    await line.start();
    bench.uploader = await line.addAccount('uploader');
    return { ...(await measureOverhead(bench)), ...(await measureHello(bench)) };
  } finally {
    await line.dispose();
    await asBuilder(bench, [...USER_NAMESPACE, 'rm', '-rf', place.workdir]).catch(() => undefined);
    await rm(place.workdir, { recursive: true, force: true });
  }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return round3(sorted[Math.floor(sorted.length / 2)] ?? 0);
}

function round3(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
