/**
 * What packages hold, read without trust: the paths of a binary package's data member, and of a source's tars.
 * Nothing is written to the disk, and all that is unpacked is counted.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { isOurFault, readDebMembers, unpackSmall } from '../../../shared/debian/deb.ts';
import { TarPaths, type TarPathsOptions } from '../../../shared/debian/tar-paths.ts';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { filterThrough } from '../../../shared/process/filter.ts';

/** As much as an uploaded file may unpack to (uploadLimits.unpackedBytes); the largest in Debian have 20 GiB. */
const MAX_UNPACKED_BYTES = 64 * 1024 ** 3;
/** Packed and unpacked sizes up to which a member is read at once: a child would take ten times as long. */
const SMALL_MEMBER_BYTES = 64 * 1024;
const SMALL_TAR_BYTES = 2 * 1024 * 1024;
/** xz unpacks some 50 MB/s on a slow core. */
const TIMEOUT_MS = 30 * 60_000;
/** Enough for xz -9 and its like, which need 65 MiB to unpack. */
const XZ_MEMORY = '--memlimit=128MiB';

/** Programs for what node does not unpack itself, by a file's ending. */
const PROGRAMS: Record<string, readonly [string, ...string[]]> = {
  xz: ['xz', '--decompress', '--stdout', XZ_MEMORY],
  lzma: ['xz', '--format=lzma', '--decompress', '--stdout', XZ_MEMORY],
  bz2: ['bzip2', '--decompress', '--stdout'],
};

/**
 * The paths that a .deb or .udeb unpacks to, sorted, without folders and the leading slash, a byte a character
 * (latin1). Throws `deb-invalid`, whatever is wrong with it.
 */
export async function readFileList(file: string, size: number): Promise<string[]> {
  const handle = await open(file, 'r');
  let data;
  try {
    const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await handle.read(buffer, 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    data = (await readDebMembers(readAt, size)).data;
    if (data.size <= SMALL_MEMBER_BYTES) {
      const list = readSmallList(data.name, await readAt(data.offset, data.size), SMALL_TAR_BYTES);
      if (list) return list;
    }
  } finally {
    await handle.close();
  }
  if (data.size === 0) throw new AppError('deb-invalid', `${data.name} is empty`);
  const input = createReadStream(file, { start: data.offset, end: data.offset + data.size - 1 });
  return sortedPaths(await readTarPaths(input, data.name, { pax: false }));
}

/** The list of a data member that is small both ways, without a child or a stream; null for any other. */
export function readSmallList(name: string, data: Uint8Array, maxBytes: number): string[] | null {
  const tar = data.length === 0 ? null : unpackSmall(name, data, maxBytes);
  if (tar === null) return null;
  const reader = new TarPaths({ pax: false });
  reader.push(tar);
  return sortedPaths(reader.finish());
}

/** Sorted, each once. */
export function sortedPaths(paths: readonly string[]): string[] {
  return [...new Set(paths)].sort();
}

/** Paths in a tar whose compression its name tells. Throws `deb-invalid`. */
export async function readTarPaths(
  input: Readable,
  name: string,
  options: TarPathsOptions,
): Promise<string[]> {
  const reader = new TarPaths(options);
  for await (const bytes of readUnpacked(input, name)) reader.push(bytes);
  return reader.finish();
}

/** What a file unpacks to, by its name's ending. Throws `deb-invalid` when it cannot or is too much; other errors are ours. */
export async function* readUnpacked(input: Readable, name: string): AsyncGenerator<Buffer> {
  let unpackedBytes = 0;
  try {
    for await (const bytes of unpacked(input, name)) {
      unpackedBytes += bytes.length;
      if (unpackedBytes > MAX_UNPACKED_BYTES)
        throw new AppError('deb-invalid', `${name} unpacks to too much`);
      yield bytes;
    }
  } catch (error) {
    if ((error instanceof AppError && error.code === 'deb-invalid') || isOurFault(error)) throw error;
    if (input.errored) throw input.errored; // a disk that cannot be read
    throw new AppError('deb-invalid', `${name} cannot be unpacked: ${messageOf(error)}`, { cause: error });
  } finally {
    input.destroy();
  }
}

function unpacked(input: Readable, name: string): AsyncIterable<Buffer> {
  const ending = name.slice(name.lastIndexOf('.') + 1);
  if (ending === 'gz') return throughNode(input, createGunzip());
  if (ending === 'zst') return throughNode(input, createZstdDecompress());
  const program = PROGRAMS[ending];
  return program ? filterThrough(program, input, { timeoutMs: TIMEOUT_MS }) : input;
}

function throughNode(input: Readable, transform: ReturnType<typeof createGunzip>): AsyncIterable<Buffer> {
  input.on('error', (error) => transform.destroy(error));
  return input.pipe(transform);
}
