/** The files of one upload in its own folder, where its uploader no longer reaches them. */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import path from 'node:path';
import type { ListedFile } from '../../../shared/debian/file-list.ts';
import { declaredUnpackedBytes, type ReadAt } from '../../../shared/debian/unpacked-size.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { hashFile, type FileSums } from '../../../shared/files/hash-file.ts';
import type { Product } from '../../../shared/config/common.ts';
import { reject } from './rejection.ts';
import type { SignedFile } from './signature.ts';

const SUMS = ['md5', 'sha1', 'sha256'] as const;

/** What the first bytes of a compressed file are, by the ending of its name. */
const MAGIC: Record<string, string> = { gz: '1f8b', xz: 'fd377a585a00', bz2: '425a68', lzma: '5d0000' };
const MAGIC_BYTES = 6;

export interface InspectOptions {
  product: Pick<Product, 'name' | 'uploadLimits'>;
  /** Leaves modes as they are; for a dry run in the uploader's own folder. */
  isReadOnly?: boolean;
}

/** Sizes and sums of an upload's files, each file read once. */
export class UploadFiles {
  readonly folder: string;
  /** Bytes by name, of those that are there. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly #product: InspectOptions['product'];
  readonly #sums = new Map<string, Promise<FileSums>>();

  private constructor(folder: string, sizes: Map<string, number>, product: InspectOptions['product']) {
    this.folder = folder;
    this.#product = product;
    this.sizes = sizes;
  }

  /** Looks at each name. Rejects `not-a-regular-file`, `too-many-files`, `upload-too-large`. */
  static async inspect(folder: string, names: string[], options: InspectOptions): Promise<UploadFiles> {
    const { name: product, uploadLimits: limits } = options.product;
    if (names.length > limits.files) {
      throw reject('too-many-files', { count: names.length, limit: limits.files, product });
    }
    const sizes = new Map<string, number>();
    let total = 0;
    for (const name of names) {
      const size = await regularFileSize(path.join(folder, name), name, options.isReadOnly ?? false);
      if (size === null) continue;
      sizes.set(name, size);
      total += size;
    }
    if (total > limits.bytes) {
      throw reject('upload-too-large', { count: total, limit: limits.bytes, product });
    }
    return new UploadFiles(folder, sizes, options.product);
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
  async check(listed: ListedFile, where: SignedFile): Promise<void> {
    const { name: file } = listed;
    if (!this.has(file)) throw reject('file-missing', { file, list: where });
    if (this.sizes.get(file) !== listed.size) throw reject('file-size-mismatch', { file, where });
    const { sums } = await this.sums(file);
    const algorithm = SUMS.find((each) => sums[each] !== listed[each]);
    if (algorithm !== undefined) throw reject('checksum-mismatch', { algorithm, file, where });
  }

  /**
   * Rejects a file whose first bytes are not of the compression that its name says (`file-not-compressed`), or
   * that says that it unpacks to more than the limit (`file-unpacks-too-large`). Nothing is unpacked here.
   */
  async requireCompression(file: string): Promise<void> {
    const magic = MAGIC[path.extname(file).slice(1)];
    if (magic === undefined) return;
    const handle = await open(path.join(this.folder, file), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const readAt: ReadAt = async (offset, length) => {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      };
      const start = Buffer.from(await readAt(0, MAGIC_BYTES)).toString('hex');
      if (!start.startsWith(magic)) throw reject('file-not-compressed', { file });
      const count = await declaredUnpackedBytes(file, this.sizes.get(file) ?? 0, readAt);
      const { name: product, uploadLimits } = this.#product;
      const limit = uploadLimits.unpackedBytes;
      if (count !== null && count > limit)
        throw reject('file-unpacks-too-large', { file, count, limit, product });
    } finally {
      await handle.close();
    }
  }
}

/** Bytes of a regular file, null where there is none; makes it readable to the services and closed to others' writes. */
async function regularFileSize(file: string, name: string, isReadOnly: boolean): Promise<number | null> {
  try {
    const stats = await lstat(file);
    if (!stats.isFile()) throw reject('not-a-regular-file', { file: name });
    if (!isReadOnly) await makeReadable(file);
    return stats.size;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function makeReadable(file: string): Promise<void> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.chmod(0o644).catch((error: unknown) => {
      // drop may run as another user whose files we may move but not change.
      if (!hasErrno(error, 'EPERM')) throw error;
    });
  } finally {
    await handle.close();
  }
}
