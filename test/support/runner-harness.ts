/**
 * The real runner, bundled, as garage uses it: in a process of its own, as an unprivileged user, with
 * Debian's own nodejs. As root it runs as the user that deploy/bootstrap makes, as anyone else as oneself;
 * always in the embedded builder's work folder, so that the base there is warm for both.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { machineArchitecture, machineCodename, machineSources } from '../../shared/config/machine.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { minimalEnvironment, run, type RunResult } from '../../shared/process/run.ts';
import type {
  AptSource,
  ExtraSource,
  BuildJob,
  CheckJob,
  InstallJob,
  Job,
  Result,
  Status,
} from '../../shared/protocol/job.ts';
import { bundleRunner } from '../../shared/runner-bundle/bundle.ts';
import type { SourcePackage } from './source-package.ts';

const USER = 'autobuilder-builder';
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
/** A cold base needs a minute or two; a build of a fixture seconds. */
const COMMAND_TIMEOUT_MS = 300_000;

/** The oldest Node that must do is 18: name one here to try it. */
const NODEJS =
  process.env['AUTOBUILDER_TEST_NODEJS'] ??
  (existsSync('/usr/bin/nodejs') ? '/usr/bin/nodejs' : process.execPath);

interface Who {
  workdir: string;
  home: string;
  ids: { uid?: number; gid?: number };
}

async function whoRuns(): Promise<Who> {
  if (process.getuid?.() !== 0) {
    const home = process.env['AUTOBUILDER_HOME'] ?? path.join(REPOSITORY, 'var');
    return { workdir: path.join(home, 'builder/work'), home: process.env['HOME'] ?? '/', ids: {} };
  }
  const passwd = await readFile('/etc/passwd', 'utf8');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === USER);
  if (fields === undefined) throw new Error(`There is no user ${USER}; deploy/bootstrap makes it`);
  const home = fields[5] ?? '/';
  const ids = { uid: Number(fields[2]), gid: Number(fields[3]) };
  return { workdir: path.join(home, 'work'), home, ids };
}

/** Makes the folder and what is missing above it, owned as the runner's user. */
async function makeFolder(who: Who, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  const { uid, gid } = who.ids;
  if (first === undefined || uid === undefined || gid === undefined) return;
  for (let at = folder; at.startsWith(first); at = path.dirname(at)) await chown(at, uid, gid);
}

export interface Overrides {
  driver?: Job['driver'];
  slot?: number;
  extraSources?: ExtraSource[];
  timeoutS?: number;
  maxLogBytes?: number;
  limits?: Job['limits'];
  keepFailedS?: number;
  packageCache?: Job['packageCache'];
  architecture?: string;
  /** Of the base; default: the machine's. */
  sources?: AptSource[];
  buildProfiles?: string[];
  buildOptions?: string[];
}

export class RunnerHarness {
  readonly instance = `test-${randomUUID().slice(0, 8)}`;
  readonly #who: Who;
  readonly #runner: string;
  readonly #sources: AptSource[];
  readonly #product: string;
  readonly #architecture: string;

  private constructor(who: Who, runner: string, sources: AptSource[], product: string, architecture: string) {
    this.#who = who;
    this.#runner = runner;
    this.#sources = sources;
    this.#product = product;
    this.#architecture = architecture;
  }

  static async open(): Promise<RunnerHarness> {
    const who = await whoRuns();
    const { file, sha256 } = await bundleRunner();
    await makeFolder(who, who.workdir);
    const runner = path.join(who.workdir, `runner-${sha256}.mjs`);
    if (!existsSync(runner)) await writeFile(runner, file);
    const [sources, product, architecture] = await Promise.all([
      machineSources(),
      machineCodename(),
      machineArchitecture(),
    ]);
    return new RunnerHarness(who, runner, sources, product, architecture);
  }

  get workdir(): string {
    return this.#who.workdir;
  }

  folder(attempt: string): string {
    return path.join(this.#who.workdir, 'attempts', this.instance, attempt);
  }

  /** One command of the runner, as the unprivileged user unless `asRoot`. */
  call(
    args: string[],
    options: { asRoot?: boolean; signal?: AbortSignal; input?: string } = {},
  ): Promise<RunResult> {
    return run([NODEJS, this.#runner, ...args], {
      cwd: '/',
      env: minimalEnvironment({ HOME: this.#who.home }),
      timeoutMs: COMMAND_TIMEOUT_MS,
      ...(options.asRoot === true ? {} : this.#who.ids),
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  /** An attempt folder with a job that builds `source`; gives the attempt's id. */
  async buildAttempt(
    source: SourcePackage,
    binaries: BuildJob['binaries'],
    overrides: Overrides = {},
  ): Promise<string> {
    const attempt = randomUUID();
    const folder = path.join(this.folder(attempt), 'source');
    await makeFolder(this.#who, folder);
    const files: BuildJob['files'] = [];
    for (const file of source.files.filter((name) => !name.endsWith('.changes'))) {
      const name = path.basename(file);
      await copyFile(file, path.join(folder, name));
      const { size, sums } = await hashFile(file, ['sha256']);
      files.push({ name, size, sha256: sums['sha256'] ?? '' });
    }
    const job: BuildJob = {
      ...this.#common(attempt, overrides),
      kind: 'build',
      source: source.source,
      sourceVersion: source.version,
      dsc: path.basename(source.dsc),
      files,
      binaries,
      buildOptions: overrides.buildOptions ?? [],
      buildProfiles: overrides.buildProfiles ?? [],
    };
    await writeFile(path.join(this.folder(attempt), 'job.json'), JSON.stringify(job));
    return attempt;
  }

  /** An attempt folder with an install job. */
  async installAttempt(packages: string[], command: string[], overrides: Overrides = {}): Promise<string> {
    const attempt = randomUUID();
    await makeFolder(this.#who, this.folder(attempt));
    const job: InstallJob = { ...this.#common(attempt, overrides), kind: 'install', packages, command };
    await writeFile(path.join(this.folder(attempt), 'job.json'), JSON.stringify(job));
    return attempt;
  }

  /** An attempt folder with a check of files that lie anywhere; `packages` are those that end in deb. */
  async checkAttempt(
    check: CheckJob['check'],
    source: SourcePackage,
    debs: string[],
    overrides: Overrides & { include?: string[]; others?: string[]; binaries?: CheckJob['binaries'] } = {},
  ): Promise<string> {
    const attempt = randomUUID();
    const folder = path.join(this.folder(attempt), 'source');
    await makeFolder(this.#who, folder);
    const files: CheckJob['files'] = [];
    const sources = source.files.filter((name) => !name.endsWith('.changes'));
    for (const file of [...sources, ...debs, ...(overrides.others ?? [])]) {
      const name = path.basename(file);
      await copyFile(file, path.join(folder, name));
      const { size, sums } = await hashFile(file, ['sha256']);
      files.push({ name, size, sha256: sums['sha256'] ?? '' });
    }
    const common = this.#common(attempt, overrides);
    const include = overrides.include;
    const job: CheckJob = {
      ...common,
      base: include === undefined ? common.base : { ...common.base, include },
      ...{ kind: 'check', check, source: source.source, sourceVersion: source.version, files },
      ...{ packages: debs.map((file) => path.basename(file)), dsc: path.basename(source.dsc) },
      binaries: overrides.binaries ?? 'any',
      ...{ buildOptions: [], buildProfiles: [], failOn: ['error'] },
    };
    await writeFile(path.join(this.folder(attempt), 'job.json'), JSON.stringify(job));
    return attempt;
  }

  /** Starts the attempt and follows it to its end; gives the log. */
  async toEnd(attempt: string): Promise<{ log: string; result: Result }> {
    const started = await this.call(['start', this.folder(attempt)]);
    if (started.code !== 0) throw new Error(`start: ${started.stderr.toString()}`);
    const followed = await this.call(['follow', this.folder(attempt), '0']);
    if (followed.code !== 0) throw new Error(`follow: ${followed.stderr.toString()}`);
    return { log: followed.stdout.toString('utf8'), result: await this.result(attempt) };
  }

  /** {@link toEnd}, but anything other than a success throws with the whole log. */
  async toSuccess(attempt: string): Promise<{ log: string; result: Result }> {
    const end = await this.toEnd(attempt);
    if (end.result.exitClass !== 'success') throw new Error(`${end.result.message}\n${end.log}`);
    return end;
  }

  async result(attempt: string): Promise<Result> {
    return JSON.parse(await readFile(path.join(this.folder(attempt), 'result.json'), 'utf8')) as Result;
  }

  async status(attempt: string): Promise<Status> {
    return JSON.parse(await readFile(path.join(this.folder(attempt), 'status.json'), 'utf8')) as Status;
  }

  async log(attempt: string): Promise<string> {
    return readFile(path.join(this.folder(attempt), 'build.log'), 'utf8').catch(() => '');
  }

  /** Names in the attempt's folder, for what must not be left. */
  async names(attempt: string): Promise<string[]> {
    return (await readdir(this.folder(attempt))).sort();
  }

  /** Removes every attempt of this harness; the base stays warm. */
  async close(): Promise<void> {
    const attempts = path.join(this.#who.workdir, 'attempts', this.instance);
    for (const name of await readdir(attempts).catch(() => []))
      await this.call(['remove', path.join(attempts, name)]);
    await run(['rmdir', attempts]);
  }

  #common(attempt: string, overrides: Overrides): Omit<InstallJob, 'kind' | 'packages' | 'command'> {
    return {
      version: 1,
      attempt,
      instance: this.instance,
      slot: overrides.slot ?? 0,
      base: {
        product: this.#product,
        architecture: overrides.architecture ?? this.#architecture,
        sources: overrides.sources ?? this.#sources,
        maxAgeHours: 24 * 30,
      },
      driver: overrides.driver ?? 'overlay',
      extraSources: overrides.extraSources ?? [],
      timeoutS: overrides.timeoutS ?? 240,
      maxLogBytes: overrides.maxLogBytes ?? 16 * 1024 * 1024,
      ...(overrides.limits === undefined ? {} : { limits: overrides.limits }),
      ...(overrides.keepFailedS === undefined ? {} : { keepFailedS: overrides.keepFailedS }),
      ...(overrides.packageCache === undefined ? {} : { packageCache: overrides.packageCache }),
    };
  }
}
