/** Reads each content once, however many hard links it has. */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { hasErrno } from '../../../../shared/errors/app-error.ts';
import { hashFile } from '../../../../shared/files/hash-file.ts';

export interface Expected {
  size: number;
  sha256: string;
}

export class Sums {
  readonly #known = new Map<string, string | null>();
  readonly #onRead: (bytes: number) => void;

  constructor(onRead: (bytes: number) => void) {
    this.#onRead = onRead;
  }

  /** Lower-case hexadecimal; null when the file cannot be read. */
  async sha256(file: string, found: Stats): Promise<string | null> {
    const key = [found.dev, found.ino, found.size, found.mtimeMs].join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const sum = await hashFile(file, ['sha256']).then(
      ({ sums }) => sums['sha256'] ?? null,
      (error: unknown) => {
        if (hasErrno(error, 'EIO', 'EACCES', 'ENOENT', 'EPERM', 'EISDIR')) return null;
        throw error;
      },
    );
    this.#onRead(found.size);
    this.#known.set(key, sum);
    return sum;
  }

  /** True when the file is a regular one of this size and content. */
  async isIntact(file: string, expected: Expected): Promise<boolean> {
    const found = await look(file);
    if (found === null || !found.isFile() || found.size !== expected.size) return false;
    return (await this.sha256(file, found)) === expected.sha256;
  }
}

/** lstat, or null for what is not there. */
export async function look(file: string): Promise<Stats | null> {
  return lstat(file).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  });
}
