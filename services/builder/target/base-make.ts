/** Makes a base's files: mmdebstrap's tar, unpacked with the ownership that targets see. */
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment } from '../../../shared/process/run.ts';
import { runStreaming } from '../../../shared/process/stream.ts';
import type { BaseSpec } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import type { BuildLog } from '../logs/build-log.ts';
import { Tail } from '../logs/tail.ts';
import { readAptFailure } from './apt-errors.ts';
import { oneLineSources, resolveSources, type ResolvedSource } from './apt-sources.ts';
import { makeOpenTemporary } from './open-temporary.ts';
import { configureBase } from './system-files.ts';
import { endsWithParent, USER_NAMESPACE, type Argv } from './userns.ts';

export interface MakeContext {
  log: BuildLog;
  signal: AbortSignal;
}

/** apt's explanation stands within this from the end of mmdebstrap's output. */
const TAIL_BYTES = 64 * 1024;

/** What kept mmdebstrap from making a base, as far as its output says so; begins with a colon. */
export function reasonIn(tail: string, architecture: string): string {
  const cannotRun = /^E: (\S+ can neither be executed natively nor .*)$/m.exec(tail)?.[1];
  if (cannotRun !== undefined) return `: ${cannotRun}`;
  const failure = readAptFailure(tail);
  const lacking = new RegExp(`repository '([^']+)' doesn't support architecture '${architecture}'`).exec(
    tail,
  );
  const isIndex = failure.kind === 'fetch' && failure.line.includes(`/binary-${architecture}/`);
  const what = isIndex ? failure.line : lacking === null ? null : `${lacking[1] ?? ''} has none`;
  if (what !== null) {
    return `: no usable index for ${architecture} (${what}); where that stays so, say which architectures the source serves`;
  }
  return failure.kind === 'fetch' ? `: ${failure.line}` : '';
}

/** Runs one step into the log; a failure is the machine's. Gives no more than what {@link reasonIn} makes of it. */
async function step(
  argv: Argv,
  what: string,
  context: MakeContext,
  more: { env?: Record<string, string>; reason?: (tail: string) => string } = {},
): Promise<void> {
  context.log.command(argv);
  const tail = new Tail(TAIL_BYTES);
  const { code, aborted } = await runStreaming(endsWithParent(argv), {
    ...(more.env === undefined ? {} : { env: more.env }),
    signal: context.signal,
    onOutput: (chunk) => {
      context.log.write(chunk);
      tail.push(chunk);
    },
  });
  if (code === 0) return;
  const how = aborted ? ' (ended)' : ` (exit ${String(code)})`;
  throw jobFailure('machine', `${what} failed${how}${more.reason?.(tail.toString()) ?? ''}`);
}

function mmdebstrapArgv(spec: BaseSpec, tar: string, mirrors: string[]): Argv {
  return [
    'mmdebstrap',
    '--mode=unshare',
    '--variant=buildd',
    '--format=tar',
    `--architectures=${spec.architecture}`,
    // mount: the target takes its own old root away with umount, and trixie's essential set has none.
    `--include=${['fakeroot', 'mount', ...(spec.include ?? [])].join(',')}`,
    // The lists stay, so that apt-get update in a target asks only whether they changed.
    '--skip=cleanup/apt/lists,cleanup/apt/cache',
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    '--aptopt=APT::Install-Recommends "false"',
    '--dpkgopt=force-unsafe-io',
    spec.sources[0]?.suites[0] ?? spec.product,
    tar,
    ...mirrors,
  ];
}

async function bootstrap(
  spec: BaseSpec,
  sources: ResolvedSource[],
  tar: string,
  temporary: string,
  context: MakeContext,
): Promise<void> {
  const keyPath = (index: number): string =>
    path.join(temporary, `key-${index}${sources[index]?.keyEnding ?? ''}`);
  for (const [index, source] of sources.entries()) await writeFile(keyPath(index), source.key);
  const argv = mmdebstrapArgv(spec, tar, oneLineSources(sources, keyPath));
  await step(argv, 'mmdebstrap', context, {
    env: minimalEnvironment({ TMPDIR: temporary }),
    reason: (tail) => reasonIn(tail, spec.architecture),
  });
}

async function removeArchives(root: string): Promise<void> {
  const archives = path.join(root, 'var/cache/apt/archives');
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await rm(path.join(archives, name), { force: true });
  }
}

/** Fills `folder` with `root/` and `in-use`. Throws `job-machine` when that cannot be done. */
export async function makeBase(
  spec: BaseSpec,
  folder: string,
  workdir: string,
  context: MakeContext,
): Promise<void> {
  const root = path.join(folder, 'root');
  const tar = path.join(folder, 'made.tar');
  await mkdir(root, { recursive: true });
  const sources = await resolveSources(spec.sources);
  const temporary = await makeOpenTemporary(workdir);
  try {
    await bootstrap(spec, sources, tar, temporary, context);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  const unpack = [
    'tar',
    '--extract',
    '--numeric-owner',
    '--exclude=./dev/*',
    `--file=${tar}`,
    `--directory=${root}`,
  ];
  await step([...USER_NAMESPACE, ...unpack], 'unpacking the base', context);
  await rm(tar);
  await removeArchives(root);
  await configureBase(root, sources);
  await writeFile(path.join(folder, 'in-use'), '');
}

/** Packs `root/` for sbuild, once. */
export async function makeBaseTar(folder: string, context: MakeContext): Promise<string> {
  const tar = path.join(folder, 'base.tar');
  if (await stat(tar).catch(() => null)) return tar;
  const partial = `${tar}.partial`;
  const root = path.join(folder, 'root');
  const argv: Argv = [
    ...USER_NAMESPACE,
    'tar',
    '--create',
    '--numeric-owner',
    `--file=${partial}`,
    `--directory=${root}`,
    '.',
  ];
  await step(argv, 'packing the base', context);
  await rename(partial, tar);
  return tar;
}
