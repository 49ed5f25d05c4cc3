/**
 * Each version of the runner is a file of its own on a host, so that jobs which run keep theirs while garage
 * is upgraded. Whoever uses one says so by its time; what nobody used for long goes. Several installations,
 * of other versions, may share a host: one that finds its runner gone copies it again.
 */
import { removeRemote, touchRemote } from '../../../shared/ssh/remote-times.ts';
import { remoteNames } from '../../../shared/ssh/remote-folder.ts';
import { remoteStat } from '../../../shared/ssh/remote-files.ts';
import type { Remote } from '../dispatch/remote.ts';

const RUNNER = /^runner-[0-9a-f]{64}\.mjs(\.[0-9a-f]+\.partial)?$/;
/** An installation that is up uses its own each minute in which something waits or runs. */
const UNUSED_MS = 7 * 24 * 3600_000;
/** A week's upgrades, and what copies that broke off have left. */
const MAX_NAMES = 1_000;

/** Marks ours as used and removes the others that are not; `longestJobS` is how long a job may hold its own. */
export async function removeOldRunners(remote: Remote, longestJobS: number): Promise<string[]> {
  const files = await remote.connection.files();
  const { workdir } = remote.host;
  await touchRemote(files, remote.runner, new Date());
  const oldest = Date.now() - Math.max(UNUSED_MS, 2 * longestJobS * 1000);
  const names = await remoteNames(files, workdir, MAX_NAMES);
  const removed: string[] = [];
  for (const name of names.filter((each) => RUNNER.test(each))) {
    const file = `${workdir}/${name}`;
    const stat = await remoteStat(files, file);
    if (file === remote.runner || stat === null || stat.mtime * 1000 > oldest) continue;
    await removeRemote(files, file);
    removed.push(name);
  }
  return removed;
}
