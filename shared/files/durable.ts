/** Files appear whole: written beside the target, fsynced, renamed. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../errors/app-error.ts';

/** Makes a rename or unlink in `directory` survive a power cut. */
export async function fsyncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces `file` by `content` in one step; readers see the old or the new one. Makes parent folders. */
export async function writeFileDurably(
  file: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const directory = path.dirname(file);
  await mkdir(directory, { recursive: true });
  const temporary = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o644);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await fsyncDirectory(directory);
}

/** Renames and makes both folders durable; the target's folder is made. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  await rename(from, to);
  await fsyncDirectory(path.dirname(to));
  if (path.dirname(from) !== path.dirname(to)) await fsyncDirectory(path.dirname(from));
}

/**
 * Makes `file`, whole, unless it is there already: then it stays as it is and the answer is false. Of several
 * processes that try at once one succeeds.
 */
export async function createFileDurably(
  file: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<boolean> {
  const temporary = path.join(
    path.dirname(file),
    `.${path.basename(file)}.${randomBytes(6).toString('hex')}`,
  );
  await writeFileDurably(temporary, content, options);
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
    await fsyncDirectory(path.dirname(file));
  }
}

/** Writes the file unless it holds this already, so that its time tells when it changed; true if it did. */
export async function replaceIfDifferent(file: string, content: Uint8Array): Promise<boolean> {
  const there = await readFile(file).catch(() => null);
  if (there?.equals(content) === true) return false;
  await writeFileDurably(file, content);
  return true;
}
