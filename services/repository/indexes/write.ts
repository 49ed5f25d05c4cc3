/** Writes the indexes of one generation: plain, gz and xz, each also under its sum. */
import { createHash } from 'node:crypto';
import { link, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { indexForms } from './compress.ts';
import type { Index } from './select.ts';

/** Writes below `folder` (which is nobody's yet, so nothing here is renamed) and says what Release must list. */
export async function writeIndexes(folder: string, indexes: readonly Index[]): Promise<ReleaseIndex[]> {
  const listed: ReleaseIndex[] = [];
  for (const index of indexes) {
    for (const form of await indexForms(index.text)) {
      listed.push(await writeForm(folder, `${index.path}${form.ending}`, form.content));
    }
  }
  return listed;
}

async function writeForm(folder: string, name: string, content: Buffer): Promise<ReleaseIndex> {
  const sum = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');
  const file = path.join(folder, name);
  const sha256 = sum('sha256');
  const byHash = path.join(path.dirname(file), 'by-hash', 'SHA256');
  await mkdir(byHash, { recursive: true });
  await writeFile(file, content);
  await link(file, path.join(byHash, sha256)).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error; // two forms of one content
  });
  return { path: name, size: content.length, md5: sum('md5'), sha256 };
}
