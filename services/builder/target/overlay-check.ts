/** Whether this host lets an ordinary user make namespaces, and mount an overlay in them. */
import { mkdir, mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../../shared/process/run.ts';
import { removeTree, USER_NAMESPACE } from './userns.ts';

/** `unshare` with subuids works: kernel, /etc/subuid and newuidmap together. */
export async function canUnshare(): Promise<boolean> {
  return (await run([...USER_NAMESPACE, 'true']).catch(() => null))?.code === 0;
}

/** An overlay mounts on the work folder's file system. False without user namespaces. */
export async function canOverlay(workdir: string): Promise<boolean> {
  await mkdir(workdir, { recursive: true });
  const folder = await mkdtemp(path.join(workdir, '.overlay-'));
  try {
    for (const name of ['lower', 'upper', 'work', 'root']) await mkdir(path.join(folder, name));
    const options = 'lowerdir=lower,upperdir=upper,workdir=work,userxattr';
    const mount = ['mount', '-t', 'overlay', 'overlay', '-o', options, 'root'];
    const result = await run([...USER_NAMESPACE, '--mount', ...mount], { cwd: folder }).catch(() => null);
    return result?.code === 0;
  } finally {
    await removeTree(folder);
  }
}
