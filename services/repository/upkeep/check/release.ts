/** A folder of indexes against its own Release: what apt would find wrong. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readRelease, type ReleaseEntry } from '../../../../shared/debian/read-release.ts';
import { messageOf } from '../../../../shared/errors/app-error.ts';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import {
  readClearsigned,
  verifyClearsigned,
  type PublicKeyRecord,
} from '../../../../shared/openpgp/clearsigned.ts';
import { stat } from 'node:fs/promises';
import type { Sums } from './sums.ts';

/** Release lists what an index unpacks to whether it is published so or not. */
const FORMS = ['.gz', '.xz', '.zst'];

export interface ReleaseCheck {
  sums: Sums;
  isRead: boolean;
  /** Verifies the signature too. */
  keys?: readonly PublicKeyRecord[];
}

/** Sentences about what is wrong; none for a whole folder. */
export async function checkRelease(folder: string, options: ReleaseCheck): Promise<string[]> {
  const [inRelease, release] = await Promise.all(
    ['InRelease', 'Release'].map((name) => readFile(path.join(folder, name), 'utf8').catch(() => null)),
  );
  if (inRelease == null || release == null)
    return [`${inRelease == null ? 'InRelease' : 'Release'} is missing`];
  const problems = await checkSignature(inRelease, release, options);
  try {
    const { entries, acquireByHash } = readRelease(release);
    for (const entry of entries.values()) {
      const isOptional = FORMS.some((form) => entries.has(`${entry.path}${form}`));
      const files = [entry.path, ...(acquireByHash ? [byHash(entry)] : [])];
      for (const file of files) {
        const problem = await checkIndex(folder, file, entry, isOptional, options);
        if (problem !== null) problems.push(problem);
      }
    }
  } catch (error) {
    problems.push(messageOf(error));
  }
  return problems;
}

function byHash(entry: ReleaseEntry): string {
  return path.join(path.dirname(entry.path), 'by-hash/SHA256', entry.sha256 ?? '');
}

async function checkSignature(inRelease: string, release: string, { keys }: ReleaseCheck): Promise<string[]> {
  try {
    if (keys) await verifyClearsigned(inRelease, keys, new Date());
    const { text } = readClearsigned(inRelease);
    return text.trimEnd() === release.trimEnd() ? [] : ['InRelease and Release differ'];
  } catch (error) {
    return [`InRelease: ${messageOf(error)}`];
  }
}

async function checkIndex(
  folder: string,
  file: string,
  entry: ReleaseEntry,
  isOptional: boolean,
  { sums, isRead }: ReleaseCheck,
): Promise<string | null> {
  const full = joinInside(folder, file);
  // Through symlinks: by-hash of live is one folder for all generations.
  const found = await stat(full).catch(() => null);
  if (found === null) return isOptional ? null : `${file} is missing`;
  if (found.size !== entry.size) {
    return `${file} has ${String(found.size)} bytes, not ${String(entry.size)}`;
  }
  if (!isRead || (await sums.sha256(full, found)) === entry.sha256) return null;
  return `${file} does not have the SHA256 that Release names`;
}
