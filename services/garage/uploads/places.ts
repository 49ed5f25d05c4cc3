/** Where an upload's folder is at each point of its way. */
import path from 'node:path';
import { withoutEpoch } from '../../../shared/debian/version.ts';
import type { Home } from '../../../shared/config/home.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { spoolFolder } from '../../../shared/protocol/spool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { UploadRow } from './upload-row.ts';

/** Where the uploader put the files. */
export function incomingFolder(home: Home, upload: Pick<UploadRow, 'product' | 'login'>): string {
  return spoolFolder(home.incoming, upload.product, upload.login);
}

/** Where they are while nothing is decided; out of the uploader's reach. */
export function verifyingFolder(home: Home, uploadId: string): string {
  return joinInside(home.verifying, uploadId);
}

/** An accepted source's folder, relative to AUTOBUILDER_HOME; each upload has one of its own. */
export function sourceDirectory(
  upload: Pick<UploadRow, 'id' | 'product'>,
  source: string,
  version: string,
): string {
  return path.join('sources', upload.product, `${source}_${withoutEpoch(version)}`, upload.id);
}

/** The last place of a decided upload. */
export function settledFolder(home: Home, upload: UploadRow): string {
  if (upload.status === 'rejected') return joinInside(home.rejected, upload.product, upload.id);
  if (upload.status === 'accepted' && upload.source !== null && upload.version !== null) {
    return joinInside(home.root, sourceDirectory(upload, upload.source, upload.version));
  }
  throw new AppError('upload-undecided', `Upload ${upload.id} is ${upload.status}`);
}
