/** A mirror of a small archive: definition, update, and what it holds. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readKeyring } from '../../shared/openpgp/keyring.ts';
import { mirrorSettings, type MirrorSettings } from '../../services/repository/mirror/definition.ts';
import { insertMirror } from '../../services/repository/mirror/rows.ts';
import { updateMirror } from '../../services/repository/mirror/run.ts';
import type { UpdateOptions, UpdateReport } from '../../services/repository/mirror/update.ts';
import type { Repository } from '../../services/repository/context.ts';
import { visibleFiles, type MirrorArchive } from '../support/mirror-archive.ts';

/** Adds a mirror named `up` of `stable`. */
export async function addMirror(
  repository: Repository,
  archive: MirrorArchive,
  url: string,
  settings: Partial<MirrorSettings> = {},
  more: { name?: string; suites?: string[] } = {},
): Promise<void> {
  await insertMirror(repository.pool, {
    ...{ name: more.name ?? 'up', url, suites: more.suites ?? ['stable'] },
    settings: mirrorSettings.parse(settings),
    keys: await readKeyring(archive.key.binaryPublic, 'the key'),
  });
}

/** Retries do not wait. */
export function update(
  repository: Repository,
  options: UpdateOptions = {},
  name = 'up',
): Promise<UpdateReport> {
  return updateMirror(repository, name, { retryFirstMs: 1, ...options });
}

export function mirrorRoot(repository: Repository, name = 'up'): string {
  return path.join(repository.home.mirrors, name);
}

/** Pool files of the mirror. */
export async function poolOf(repository: Repository, name = 'up'): Promise<string[]> {
  return (await visibleFiles(mirrorRoot(repository, name))).filter((file) => file.startsWith('pool/'));
}

/** Everything that clients see, by path, as text of its bytes: to compare two states. */
export async function stateOf(repository: Repository, name = 'up'): Promise<Record<string, string>> {
  const root = mirrorRoot(repository, name);
  const files = await visibleFiles(root);
  const contents = await Promise.all(files.map((file) => readFile(path.join(root, file), 'latin1')));
  return Object.fromEntries(files.map((file, at) => [file, contents[at] ?? '']));
}
