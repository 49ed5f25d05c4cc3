/** Reads the text files of an upload: bounded, never through a link, never a device. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { DEFAULT_MAX_BYTES } from '../../../shared/debian/deb822.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { reject } from './rejection.ts';

/** What deb822 takes, and the armor around it. */
export const MAX_CONTROL_BYTES = DEFAULT_MAX_BYTES + 64 * 1024;

/**
 * The bytes of a regular file, at most {@link MAX_CONTROL_BYTES} and one; null for anything that is no
 * readable regular file. A FIFO does not block it, a link is not followed.
 */
export async function readControlBytes(file: string): Promise<Buffer | null> {
  let handle;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ELOOP', 'ENXIO', 'EISDIR')) return null;
    throw error;
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return null;
    const buffer = Buffer.alloc(Math.min(stats.size, MAX_CONTROL_BYTES + 1));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** A control file's text. Rejects `file-missing`, `control-file-too-large` and `not-utf8`. */
export async function readControlText(folder: string, name: string): Promise<string> {
  const bytes = await readControlBytes(path.join(folder, name));
  if (!bytes) throw reject('file-missing', { file: name, list: '.changes' });
  if (bytes.length > MAX_CONTROL_BYTES) {
    throw reject('control-file-too-large', { file: name, limit: MAX_CONTROL_BYTES });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw reject('not-utf8', { file: name }, error);
  }
}
