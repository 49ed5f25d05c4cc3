/**
 * Brings a decided upload's folder to its last place, by one rename; a rejected one with its REASON file.
 * Follows from the row alone, so it is repeated until `settled_at` says that it is done.
 */
import { link, lstat } from 'node:fs/promises';
import path from 'node:path';
import { wake } from '../../../shared/database/listen.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { renameDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { acceptedVersions, directoriesWith } from './archive.ts';
import { settledFolder, verifyingFolder } from './places.ts';
import type { UploadRow } from './upload-row.ts';

/** Told of each step as it is done; tests end the work there. */
export type OnStep = (step: string) => void;

/** Moves the folder and says so in the row. Does nothing for an upload that is settled. */
export async function settleUpload(garage: Garage, upload: UploadRow, onStep: OnStep): Promise<void> {
  const from = verifyingFolder(garage.home, upload.id);
  const to = settledFolder(garage.home, upload);
  if (await exists(from)) {
    if (upload.status === 'rejected') await writeReason(from, upload);
    else await completeSource(garage, upload, from);
    onStep('prepared');
    await renameDurably(from, to);
  } else if (!(await exists(to))) {
    // Only a person can have taken it away; waiting for it would hold the row open for ever.
    garage.log.error({ upload: upload.id, folder: to }, "the upload's folder is gone");
  }
  onStep('moved');
  await garage.pool.query('update uploads set settled_at = now() where id = $1 and settled_at is null', [
    upload.id,
  ]);
  await wake(garage.pool, GARAGE_CHANNEL);
}

async function writeReason(folder: string, upload: UploadRow): Promise<void> {
  const lines = [
    `REJECTED: ${upload.trigger}`,
    `Reason: ${upload.reason ?? ''}`,
    ...(upload.hint === null ? [] : [`Hint: ${upload.hint}`]),
    `Code: ${upload.reasonCode ?? ''}`,
    `Product: ${upload.product}`,
    `Uploader: ${upload.login}`,
    `Upload: ${upload.id}`,
  ];
  await writeFileDurably(path.join(folder, 'REASON'), `${lines.join('\n')}\n`);
}

/** Links orig tarballs that only the archive has beside the others, so that the folder holds the whole source. */
async function completeSource(garage: Garage, upload: UploadRow, folder: string): Promise<void> {
  const { rows } = await garage.pool.query<{ files: FileEntry[] }>(
    'select files from sources where upload_id = $1',
    [upload.id],
  );
  for (const file of rows[0]?.files ?? []) {
    if (!(await exists(path.join(folder, file.name)))) await linkFromArchive(garage, upload, file, folder);
  }
}

async function linkFromArchive(
  garage: Garage,
  upload: UploadRow,
  file: FileEntry,
  folder: string,
): Promise<void> {
  const accepted = await acceptedVersions(garage.pool, upload.product, upload.source ?? '');
  for (const directory of directoriesWith(accepted, file)) {
    try {
      await link(path.join(garage.home.root, directory, file.name), path.join(folder, file.name));
      return;
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error; // its own folder, or one that is not settled yet
    }
  }
  throw new AppError('source-file-gone', `${file.name} is not in the archive's folders any more`, {
    hint: `It belongs into ${folder}; the upload goes on as soon as it is there.`,
  });
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
