/** A handed-over folder, looked at without trust: what is in it, and its manifest. */
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { MANIFEST, setManifest, type SetManifest } from '../../../shared/protocol/set.ts';

/** The biggest source packages make some hundreds of binaries. */
export const MAX_SET_FILES = 2_000;
const MAX_MANIFEST_BYTES = 2 * 1024 * 1024;

/** Where a set lies: `incoming/<queue>/<product>/<id>/`. */
export interface SetPlace {
  queue: string;
  product: string;
  /** The folder's name. */
  id: string;
  folder: string;
}

/** Sets that wait in `incoming/<queue>/<product>`, by name; a folder appears by one rename, so it is whole. */
export async function listSets(incoming: string, queue: string, product: string): Promise<SetPlace[]> {
  const parent = path.join(incoming, queue, product);
  const names = await readdir(parent).catch(() => []);
  return names
    .filter((name) => !name.startsWith('.'))
    .toSorted()
    .map((id) => ({ queue, product, id, folder: path.join(parent, id) }));
}

/** Reads the manifest; throws `manifest-missing` or `manifest-invalid` when the set is at fault. */
export async function readManifest(place: SetPlace): Promise<SetManifest> {
  const folder = await lstat(place.folder);
  if (!folder.isDirectory()) throw new AppError('set-not-a-folder', `${place.id} is not a folder`);
  const text = await readManifestText(path.join(place.folder, MANIFEST));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError('manifest-invalid', `${MANIFEST} is not JSON`, { cause });
  }
  const parsed = setManifest.safeParse(value);
  if (parsed.success) return requireStorable(parsed.data);
  const issue = parsed.error.issues[0];
  throw new AppError(
    'manifest-invalid',
    `${MANIFEST}: '${issue?.path.join('.') ?? ''}': ${issue?.message ?? 'not in the form'}`,
    { cause: parsed.error },
  );
}

/** PostgreSQL's jsonb takes no NUL and no lone surrogate; JSON.stringify writes both as escapes. */
function requireStorable(manifest: SetManifest): SetManifest {
  if (!/\\u(?:0000|d[89a-f])/i.test(JSON.stringify(manifest))) return manifest;
  throw new AppError('manifest-invalid', `${MANIFEST} holds a character that is none`);
}

async function readManifestText(file: string): Promise<string> {
  const found = await lstat(file).catch(() => null);
  if (found?.isFile() !== true) {
    throw new AppError('manifest-missing', `${MANIFEST} is missing or not a regular file`);
  }
  if (found.size > MAX_MANIFEST_BYTES) throw new AppError('manifest-invalid', `${MANIFEST} is too large`);
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/**
 * Promises that the folder holds the manifest's files and nothing else, each a regular file, and that the
 * manifest is this place's. Throws `set-misplaced`, `set-file-listed-twice`, `set-file-unexpected`,
 * `set-file-missing`, `set-file-not-regular`.
 */
export async function checkContents(place: SetPlace, manifest: SetManifest): Promise<void> {
  if (manifest.id !== place.id || manifest.queue !== place.queue || manifest.product !== place.product) {
    throw new AppError(
      'set-misplaced',
      `The manifest is for ${manifest.queue}/${manifest.product}/${manifest.id}, the set lies in ${place.queue}/${place.product}/${place.id}`,
    );
  }
  const listed = new Set(manifest.files.map((file) => file.name));
  if (listed.size !== manifest.files.length || listed.has(MANIFEST) || listed.size > MAX_SET_FILES) {
    throw new AppError('set-file-listed-twice', 'The manifest lists a file twice, itself, or too many files');
  }
  for (const entry of await readdir(place.folder, { withFileTypes: true })) {
    if (!entry.isFile()) {
      throw new AppError('set-file-not-regular', `${entry.name} is not a regular file`);
    }
    if (entry.name !== MANIFEST && !listed.delete(entry.name)) {
      throw new AppError('set-file-unexpected', `${entry.name} is not in the manifest`);
    }
  }
  const [missing] = listed;
  if (missing !== undefined) {
    throw new AppError('set-file-missing', `Can't stat ${missing}: No such file or directory`);
  }
}
