/**
 * Puts files into a queue's pool. A file gets its name there by link(2), which never replaces: what is
 * published stays as it is.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';

export interface Placed {
  /** Below the product's pool: main/h/hello/hello_1.0.dsc */
  path: string;
  size: number;
  sha256: string;
}

/**
 * Copies `from` into the pool. A copy, not a link: whoever made `from` may still have it open. Throws
 * `file-changed` when the bytes are not the ones that were checked, `pool-file-differs` when another
 * content has the name.
 */
export async function copyIntoPool(from: string, pool: string, file: Placed): Promise<void> {
  const target = joinInside(pool, file.path);
  if (await isAlreadyThere(target, file)) return;
  await withTemporary(target, async (temporary) => {
    const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
    const copy = await open(temporary, 'wx', 0o644);
    const hash = createHash('sha256');
    try {
      await pipeline(
        source.createReadStream({ autoClose: false }),
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            hash.update(chunk);
            yield chunk;
          }
        },
        copy.createWriteStream({ autoClose: false }),
      );
      await copy.sync();
    } finally {
      await source.close();
      await copy.close();
    }
    if (hash.digest('hex') !== file.sha256) {
      throw new AppError('file-changed', `File ${path.basename(file.path)} changed while it was taken over`);
    }
  });
}

/** Gives a file of one queue's pool to another's, as a hard link, or a copy where that cannot be. */
export async function linkIntoPool(fromPool: string, pool: string, file: Placed): Promise<void> {
  const target = joinInside(pool, file.path);
  if (await isAlreadyThere(target, file)) return;
  const source = joinInside(fromPool, file.path);
  await mkdir(path.dirname(target), { recursive: true });
  try {
    await link(source, target);
    await fsyncDirectory(path.dirname(target));
  } catch (error) {
    if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    await withTemporary(target, async (temporary) => {
      await copyFile(source, temporary);
      const handle = await open(temporary, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }
}

async function withTemporary(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const directory = path.dirname(target);
  await mkdir(directory, { recursive: true });
  // Hidden, so that neither rsync nor a web server takes it up.
  const temporary = path.join(directory, `.${path.basename(target)}.${randomBytes(6).toString('hex')}`);
  try {
    await write(temporary);
    await chmod(temporary, 0o644);
    await link(temporary, target);
    await fsyncDirectory(directory);
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
