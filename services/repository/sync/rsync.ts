/**
 * One product of one queue to one live target, in the order that never shows a client an index before
 * what it names: pool, by-hash, the other indexes, Release, and InRelease last. What is gone is removed
 * after that. The source is a generation's own folder, so a switch during the sync changes nothing.
 */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { runChecked } from '../../../shared/process/run.ts';
import { PUBLIC_KEY_NAMES } from '../signing/publish-key.ts';

/** A first sync of a big pool to a slow disk. */
const RSYNC_TIMEOUT_MS = 2 * 3600_000;
/** rsync gives up when nothing moves for this long. */
const RSYNC_STALL_S = 120;
/** Live is for everyone to read, whatever this process' umask. */
const COMMON = [
  '--recursive',
  '--times',
  '--perms',
  '--chmod=D755,F644',
  `--timeout=${String(RSYNC_STALL_S)}`,
];
const RELEASE_FILES = ['Release', 'Release.gpg'];

export interface SyncJob {
  queue: string;
  product: string;
  /** `staging`; the public key lies at its root. */
  staging: string;
  /** Of the product, in staging. */
  pool: string;
  /** The generation's folder. */
  generation: string;
}

/** Brings the target up to the generation. Throws `process-failed`; to be repeated as a whole then. */
export async function syncTarget(
  job: SyncJob,
  target: { path: string },
  signal?: AbortSignal,
): Promise<void> {
  const queue = path.join(target.path, job.queue);
  const pool = path.join(queue, 'pool', job.product);
  const dists = path.join(queue, 'dists', job.product);
  await mkdir(pool, { recursive: true });
  await mkdir(dists, { recursive: true });
  const rsync = async (...args: string[]): Promise<void> => {
    await runChecked(['rsync', ...COMMON, ...args], {
      timeoutMs: RSYNC_TIMEOUT_MS,
      ...(signal ? { signal } : {}),
    });
  };
  const from = `${job.generation}/`;
  const to = `${dists}/`;
  for (const root of [job.staging, path.join(job.staging, job.queue)]) {
    const names = PUBLIC_KEY_NAMES.map((name) => path.join(root, name));
    await rsync(...names, `${path.join(target.path, path.relative(job.staging, root))}/`);
  }
  if (await isThere(job.pool)) {
    // Hard links where the target is on the same file system, copies where it is not.
    await rsync('--exclude=.*', `--link-dest=${job.pool}/`, `${job.pool}/`, `${pool}/`);
  }
  const onlyByHash = ['--include=*/', '--include=by-hash/**', '--exclude=*', '--prune-empty-dirs'];
  await rsync(...onlyByHash, from, to);
  const others = [
    '--exclude=by-hash',
    '--exclude=/InRelease',
    '--exclude=/Release',
    '--exclude=/Release.gpg',
  ];
  await rsync('--delay-updates', ...others, from, to);
  await rsync(...RELEASE_FILES.map((name) => path.join(job.generation, name)), to);
  await rsync(path.join(job.generation, 'InRelease'), to);
  await rsync('--delete', '--exclude=by-hash', from, to);
}

async function isThere(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => null)) !== null;
}
