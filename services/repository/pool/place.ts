/**
 * Puts files into a queue's pool. A file gets its name there by link(2), which never replaces: what is
 * published stays as it is.
 */
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, link, mkdir, open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';

export interface Placed {
  /** Below the product's pool: main/h/hello/hello_1.0.dsc */
  path: string;
  size: number;
  sha256: string;
}

/**
 * Gives a durable file of ours a name in the pool: as a hard link, or a copy where that cannot be. The name is
 * durable once the folders that come into `touched` are settled (shared/files/settle.ts). Throws
 * `pool-file-differs` when another content has the name.
 */
export async function placeIntoPool(
  from: string,
  pool: string,
  file: Placed,
  touched: Set<string>,
): Promise<void> {
  const target = joinInside(pool, file.path);
  if (await isAlreadyThere(target, file)) return;
  await makeFolder(path.dirname(target), touched);
  try {
    await link(from, target);
  } catch (error) {
    if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    await withTemporary(target, async (temporary) => {
      await copyFile(from, temporary);
      const handle = await open(temporary, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }
}

/** With the folders above it, whose names are new as well. */
async function makeFolder(folder: string, touched: Set<string>): Promise<void> {
  touched.add(folder);
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let each = folder; each !== first; each = path.dirname(each)) touched.add(path.dirname(each));
  touched.add(path.dirname(first));
}

async function withTemporary(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const directory = path.dirname(target);
  // Hidden, so that neither rsync nor a web server takes it up.
  const temporary = path.join(directory, `.${path.basename(target)}.${randomBytes(6).toString('hex')}`);
  try {
    await write(temporary);
    await chmod(temporary, 0o644);
    await link(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** True when the very file is there already, from another architecture's set or a run that was cut off. */
async function isAlreadyThere(target: string, file: Placed): Promise<boolean> {
  const found = await stat(target).catch(() => null);
  if (found === null) return false;
  if (found.size === file.size) {
    const { sums } = await hashFile(target, ['sha256']);
    if (sums['sha256'] === file.sha256) return true;
  }
  throw new AppError(
    'pool-file-differs',
    `The pool's ${file.path} is not the file that was published under this name`,
    { hint: `Compare ${target} with a backup: the disk or a person changed it.` },
  );
}
