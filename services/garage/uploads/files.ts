/** The files of one upload in its own folder, where its uploader no longer reaches them. */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import path from 'node:path';
import type { ListedFile } from '../../../shared/debian/file-list.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { hashFile, type FileSums } from '../../../shared/files/hash-file.ts';
import { Rejection } from './rejection.ts';

/** Twice the largest source package in Debian main. */
export const MAX_UPLOAD_BYTES = 8 * 1024 ** 3;
/** As many as a .changes may list, and itself. */
export const MAX_UPLOAD_FILES = 2_001;
const SUMS = ['md5', 'sha1', 'sha256'] as const;

/** Sizes and sums of an upload's files, each file read once. */
export class UploadFiles {
  readonly folder: string;
  /** Bytes by name, of those that are there. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly #sums = new Map<string, Promise<FileSums>>();

  private constructor(folder: string, sizes: Map<string, number>) {
    this.folder = folder;
    this.sizes = sizes;
  }

  /** Looks at each name. Rejects `not-a-regular-file`, `too-many-files`, `upload-too-large`. */
  static async inspect(folder: string, names: string[]): Promise<UploadFiles> {
    if (names.length > MAX_UPLOAD_FILES) {
      throw new Rejection('too-many-files', `The upload has more than ${String(MAX_UPLOAD_FILES)} files`);
    }
    const sizes = new Map<string, number>();
    let total = 0;
    for (const name of names) {
      const size = await regularFileSize(path.join(folder, name), name);
      if (size === null) continue;
      sizes.set(name, size);
      total += size;
    }
    if (total > MAX_UPLOAD_BYTES) {
      throw new Rejection(
        'upload-too-large',
        `The upload has ${String(total)} bytes; the limit is ${String(MAX_UPLOAD_BYTES)}`,
      );
    }
    return new UploadFiles(folder, sizes);
  }

  has(name: string): boolean {
    return this.sizes.has(name);
  }

  /** Size, md5, sha1 and sha256 of a file that is there. */
  sums(name: string): Promise<FileSums> {
    const known = this.#sums.get(name);
    if (known) return known;
    const sums = hashFile(path.join(this.folder, name), SUMS);
    this.#sums.set(name, sums);
    return sums;
  }

  /** Holds a file to what `.changes` or `.dsc` says of it. Rejects with the conventional sentences. */
  async check(listed: ListedFile, where: '.changes' | '.dsc'): Promise<void> {
    const { name } = listed;
    if (!this.has(name)) {
      throw new Rejection('file-missing', `Can't stat ${name}: No such file or directory`, {
        hint: 'Upload every file that the .changes lists, the .changes last.',
      });
    }
    const hint = 'Upload it again; it arrived damaged, or was changed after the list was made.';
    if (this.sizes.get(name) !== listed.size) {
      const reason = `File size for ${name} does not match that specified in ${where}`;
      throw new Rejection('file-size-mismatch', reason, { hint });
    }
    const { sums } = await this.sums(name);
    const wrong = SUMS.find((algorithm) => sums[algorithm] !== listed[algorithm]);
    if (wrong === undefined) return;
    const reason = `${wrong}sum for ${name} does not match that specified in ${where}`;
    throw new Rejection('checksum-mismatch', reason, { hint });
  }
}

/** Bytes of a regular file, null where there is none; makes it readable to the services and closed to others' writes. */
async function regularFileSize(file: string, name: string): Promise<number | null> {
  try {
    const stats = await lstat(file);
    if (!stats.isFile()) throw new Rejection('not-a-regular-file', `${name} is not a regular file`);
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      await handle.chmod(0o644).catch((error: unknown) => {
        // drop may run as another user whose files we may move but not change.
        if (!hasErrno(error, 'EPERM')) throw error;
      });
    } finally {
      await handle.close();
    }
    return stats.size;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}
