/**
 * Snapshots on a target that rsync reaches: `pool` is a symlink, `dists/<product>` a folder of its own whose
 * files are linked to those of `dists/<product>` where they are the same.
 */
import path from 'node:path';
import type { SyncJob } from '../job.ts';
import type { Rsync } from './rsync.ts';
import { snapshotsIn } from './snapshot-links.ts';

/** Of `there`, names below `<queue>/snapshot/` on the target, those that staging has no more are removed. */
export async function sendSnapshots(
  rsync: Rsync,
  remove: (files: readonly string[]) => Promise<void>,
  job: SyncJob,
  there: readonly string[],
): Promise<void> {
  const source = path.join(job.root, 'snapshot');
  const wanted = await snapshotsIn(source, job.product);
  const present = new Set(there);
  for (const [name, number] of wanted) {
    if (number > job.number) continue; // its pool files come with its own sync
    if (job.mode === 'changed' && present.has(`${name}/dists/${job.product}/InRelease`)) continue;
    const to = `${job.queue}/snapshot/${name}/`;
    const links = ['--recursive', '--links', '--exclude=/dists', '--include=/pool'];
    await rsync(links, `${path.join(source, name)}/`, to);
    // The last file of a folder is what the next run looks for.
    const from = path.join(job.generations, String(number));
    const link = `--link-dest=../../../../dists/${job.product}`;
    const dists = `${to}dists/${job.product}/`;
    await rsync(['--recursive', '--exclude=/InRelease', link], `${from}/`, dists);
    await rsync([], path.join(from, 'InRelease'), dists);
  }
  if (wanted.size > 0) await rsync(['--dirs', '--exclude=*/'], `${source}/`, `${job.queue}/snapshot/`);
  await remove(gone(there, wanted, job));
}

/** Folders of snapshots that are over: the product's own, or the whole with its last product. */
function gone(there: readonly string[], wanted: ReadonlyMap<string, number>, job: SyncJob): string[] {
  const old = [...new Set(there.map((file) => file.split('/')[0] ?? ''))].filter(
    (name) => /^\d{8}T\d{6}Z$/.test(name) && !wanted.has(name),
  );
  return old.flatMap((name) => {
    const own = `${name}/dists/${job.product}/`;
    const isShared = there.some((file) => file.startsWith(`${name}/dists/`) && !file.startsWith(own));
    const isOwn = there.some((file) => file.startsWith(own));
    if (isShared) return isOwn ? [`${job.queue}/snapshot/${name}/dists/${job.product}`] : [];
    return [`${job.queue}/snapshot/${name}`];
  });
}
