/**
 * Takes a set over: the row first, then the files, each by one rename into the upload's own folder.
 * Both may be repeated; a file that the uploader sends again meanwhile stays in incoming.
 */
import { lstat, mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { firstRow } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import { incomingFolder, verifyingFolder } from './places.ts';
import type { FoundSet } from './sets.ts';
import type { UploadRow } from './upload-row.ts';

/** Commits the intent; returns the upload's id. */
export async function recordUpload(
  garage: Garage,
  owner: { product: string; login: string },
  set: FoundSet,
): Promise<string> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `insert into uploads (product, account_id, trigger_file, files, status)
     select $1, id, $3, $4, 'verifying' from accounts where login = $2 returning id`,
    [owner.product, owner.login, set.trigger, set.files],
  );
  return firstRow(rows, 'account-unknown', `There is no account '${owner.login}'`).id;
}

/** Moves what is not moved yet; returns the folder. A file that its owner took away meanwhile is not there. */
export async function takeFiles(
  garage: Garage,
  upload: UploadRow,
  onMoved: (name: string) => void = () => undefined,
): Promise<string> {
  const from = incomingFolder(garage.home, upload);
  const folder = verifyingFolder(garage.home, upload.id);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const name of await untakenNames(garage, upload)) {
    try {
      await rename(path.join(from, name), path.join(folder, name));
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
    onMoved(name);
  }
  await fsyncDirectory(folder);
  await fsyncDirectory(garage.home.verifying);
  await fsyncDirectory(from).catch((error: unknown) => {
    if (!hasErrno(error, 'ENOENT')) throw error; // an admin removed the login's folder
  });
  return folder;
}

/** Names of an upload that are not in its own folder: still in incoming, or gone. */
export async function untakenNames(garage: Garage, upload: UploadRow): Promise<string[]> {
  const folder = verifyingFolder(garage.home, upload.id);
  const untaken: string[] = [];
  for (const name of upload.files) {
    if (!(await lstat(path.join(folder, name)).catch(() => null))) untaken.push(name);
  }
  return untaken;
}
