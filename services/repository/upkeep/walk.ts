/** Walks a folder of the pool or of live. */
import { opendir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../shared/errors/app-error.ts';

/** component/prefix/source/file is four deep, by-hash in dists six; more is somebody's mistake. */
const MAX_DEPTH = 16;

export interface Found {
  /** Below the folder. */
  path: string;
  /** False for a symbolic link, a socket and the like. */
  isFile: boolean;
  /** A name that starts with a dot: being written, or left by a run that was cut off. */
  isHidden: boolean;
}

/** All that is not a folder, in no order; nothing for a folder that is not there or goes meanwhile. */
export async function* filesBelow(folder: string, below = '', depth = 0): AsyncGenerator<Found> {
  if (depth > MAX_DEPTH) return;
  const entries = await opendir(path.join(folder, below)).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  });
  if (entries === null) return;
  for await (const entry of entries) {
    const found = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(folder, found, depth + 1);
    else yield { path: found, isFile: entry.isFile(), isHidden: entry.name.startsWith('.') };
  }
}
