/** The last step of a published file: its date, and its name by hash. */
import { link, mkdir, utimes } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../shared/errors/app-error.ts';

/** Gives a file that is written its date (null: it has one) and its name by hash. */
export async function publishFile(file: string, sums: { sha256: string }, date: Date | null): Promise<void> {
  if (date) await utimes(file, date, date);
  await linkByHash(file, sums.sha256);
}

/** A hard link under the file's sum. */
export async function linkByHash(file: string, sha256: string): Promise<void> {
  const folder = path.join(path.dirname(file), 'by-hash', 'SHA256');
  await mkdir(folder, { recursive: true });
  await link(file, path.join(folder, sha256)).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error; // two forms of one content
  });
}
