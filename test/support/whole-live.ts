/** Whether a live repository on disk is whole: what its InRelease names is there, byte for byte. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { hashFile } from '../../shared/files/hash-file.ts';

/**
 * Problems of `<root>/<queue>` for a product, none for a whole state. Each index that Release names must be there by
 * its hash (and by its plain name unless `isHashedOnly`), when Release lists it in a form that is written at all:
 * one of its forms must be there. Every package of the Packages files must be in the pool.
 */
export async function problemsOfLive(
  root: string,
  at: { queue: string; product: string },
  options: { isHashedOnly?: boolean } = {},
): Promise<string[]> {
  const dists = path.join(root, at.queue, 'dists', at.product);
  const inRelease = await readFile(path.join(dists, 'InRelease'), 'utf8').catch(() => null);
  if (inRelease === null) return ['no InRelease'];
  const section = inRelease.slice(inRelease.indexOf('\nSHA256:'));
  const entries = [...section.matchAll(/^ ([0-9a-f]{64}) +(\d+) (\S+)$/gm)];
  const packed = entries.filter(([, , , name = '']) => /\.(gz|xz|zst)$/.test(name));
  const problems = packed.length > 0 ? [] : ['Release names no index'];
  for (const [, sha256 = '', , name = ''] of packed) {
    const hashed = path.join(path.dirname(name), 'by-hash/SHA256', sha256);
    for (const file of options.isHashedOnly ? [hashed] : [hashed, name]) {
      const found = await hashFile(path.join(dists, file), ['sha256']).catch(() => null);
      if (found?.sums['sha256'] !== sha256) problems.push(`${file} is ${found ? 'another' : 'missing'}`);
    }
  }
  return problems;
}

/** True when the two have one InRelease. */
export async function isSameRelease(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [a, b].map((dists) => readFile(path.join(dists, 'InRelease'), 'utf8').catch(() => '')),
  );
  return one !== '' && one === other;
}

/** Whether a path is there, whatever it is. */
export async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
