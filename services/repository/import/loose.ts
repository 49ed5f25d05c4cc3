/** Packages that lie in any folders, with no index to them. */
import { opendir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import type { Candidate, Refuse } from './candidate.ts';

/** Deeper than any pool; links are not followed, so there are no cycles. */
const MAX_DEPTH = 32;

/** The kind by the name's ending; null for what is no package. */
export function kindOfName(name: string): Candidate['kind'] | null {
  if (name.endsWith('.deb') || name.endsWith('.ddeb')) return 'deb';
  if (name.endsWith('.udeb')) return 'udeb';
  return name.endsWith('.dsc') ? 'source' : null;
}

/** Every package below `root`, folder by folder, sorted within each. What is not to be opened goes to `refuse`. */
export async function* walkPackages(root: string, refuse: Refuse): AsyncGenerator<Candidate> {
  yield* walk(root, '', 0, refuse);
}

/** True when there is one at least. */
export async function hasPackages(root: string): Promise<boolean> {
  for await (const _each of walkPackages(root, () => undefined)) return true;
  return false;
}

/** How many there are. */
export async function countPackages(root: string): Promise<number> {
  let count = 0;
  for await (const _each of walkPackages(root, () => undefined)) count += 1;
  return count;
}

async function* walk(root: string, folder: string, depth: number, refuse: Refuse): AsyncGenerator<Candidate> {
  if (depth > MAX_DEPTH) {
    refuse({
      path: folder,
      code: 'folder-too-deep',
      reason: `${folder} has more than ${String(MAX_DEPTH)} folders above it`,
    });
    return;
  }
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for await (const entry of await opendir(path.join(root, folder))) {
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) folders.push(entry.name);
      else if (kindOfName(entry.name) !== null) files.push(entry.name);
    }
  } catch (error) {
    if (folder === '' || !hasErrno(error, 'EACCES', 'ENOENT', 'ENOTDIR')) throw error;
    refuse({ path: folder, code: 'folder-unreadable', reason: `${folder} cannot be read` });
  }
  for (const name of files.toSorted()) {
    const kind = kindOfName(name);
    const each = {
      path: path.join(folder, name),
      component: null,
      section: null,
      priority: null,
      expected: null,
    };
    if (kind) yield { ...each, kind };
  }
  for (const name of folders.toSorted()) yield* walk(root, path.join(folder, name), depth + 1, refuse);
}
