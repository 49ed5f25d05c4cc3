import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512';

export interface FileSums {
  /** Bytes. */
  size: number;
  /** Lower-case hex, one for each algorithm asked for. */
  sums: Record<string, string>;
}

/** Size and sums of a file in one streaming read. */
export async function hashFile(file: string, algorithms: readonly HashAlgorithm[]): Promise<FileSums> {
  const hashes = algorithms.map((name) => [name, createHash(name)] as const);
  let size = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    for (const [, hash] of hashes) hash.update(bytes);
  }
  return { size, sums: Object.fromEntries(hashes.map(([name, hash]) => [name, hash.digest('hex')])) };
}
