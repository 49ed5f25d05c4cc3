/** What lies in an account's incoming folders: arrived or arriving, and not yet taken by buildme. */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../../shared/errors/app-error.ts';
import { PARTIAL, spoolFolder } from '../../../../shared/protocol/spool.ts';
import type { Garage } from '../../context.ts';

/** Files shown of one folder; whoever has more waiting sees that something is wrong anyway. */
const LIMIT = 100;

export interface WaitingFile {
  product: string;
  name: string;
  sizeBytes: number;
  at: Date;
  /** Still being written. */
  arriving: boolean;
}

export async function waitingFiles(garage: Garage, login: string): Promise<WaitingFile[]> {
  const found: WaitingFile[] = [];
  for (const { name: product } of garage.common.products) {
    const folder = spoolFolder(garage.home.incoming, product, login);
    for (const name of (await namesIn(folder)).slice(0, LIMIT)) {
      const stats = await lstat(path.join(folder, name)).catch(() => null);
      if (!stats?.isFile()) continue; // taken meanwhile
      const arriving = name.endsWith(PARTIAL);
      const shown = arriving ? name.slice(0, -PARTIAL.length) : name;
      found.push({ product, name: shown, sizeBytes: stats.size, at: stats.mtime, arriving });
    }
  }
  return found;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
