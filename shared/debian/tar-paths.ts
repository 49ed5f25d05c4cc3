/**
 * The paths in a tar, read as it streams by and without trust: nothing but headers and long names is kept.
 * Names stay bytes, a character each (latin1), since tar knows no encoding.
 */
import { AppError } from '../errors/app-error.ts';
import { cString, isZeroBlock, readTarHeader, TAR_BLOCK_BYTES } from './tar-header.ts';

/** The kernel's longest path; dpkg could not unpack a longer one either. */
export const MAX_PATH_BYTES = 4096;
/** A pax header holds one file's attributes. */
const MAX_PAX_BYTES = 1024 * 1024;
/** Debian's largest packages hold some 200,000 files. */
export const MAX_TAR_PATHS = 1_000_000;
/** All names together: bounds the memory that a hostile tar can take. */
export const MAX_TAR_PATHS_BYTES = 128 * 1024 * 1024;

export interface TarPathsOptions {
  /** Extended headers (pax) are in sources; dpkg refuses a binary package that has them. */
  pax: boolean;
}

function invalid(message: string): AppError {
  return new AppError('deb-invalid', message);
}

/** Of regular files in all spellings, long link targets, global pax headers and GNU's volume labels. */
const CONTENT_TYPES = '0\x007KgV';
const NOT_FILES = 'KgV';

interface LongName {
  /** `L` for GNU's, `x` for pax'. */
  type: string;
  left: number;
  padding: number;
  parts: Buffer[];
}

/**
 * Feed it the tar's bytes with {@link push}, then call {@link finish}. Both throw `deb-invalid`: a broken or
 * cut-off tar, paths that leave the root or break a line, too many of them.
 */
export class TarPaths {
  readonly #options: TarPathsOptions;
  readonly #paths: string[] = [];
  #pathBytes = 0;
  #block = Buffer.alloc(0);
  /** Bytes of content still to come, and those of them that are wanted (a long name). */
  #skip = 0;
  #wanted: LongName | null = null;
  #longName: string | null = null;
  #ended = false;
  /** Bytes seen. */
  #offset = 0;

  constructor(options: TarPathsOptions) {
    this.#options = options;
  }

  push(bytes: Uint8Array): void {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (rest.length > 0 && !this.#ended) {
      const taken = this.#take(rest);
      this.#offset += taken;
      rest = rest.subarray(taken);
    }
  }

  /** Every path but folders', as {@link cleanPath} has them, in the tar's order. */
  finish(): string[] {
    if (this.#skip > 0 || this.#wanted || this.#block.length > 0) throw invalid('The tar is cut off');
    return this.#paths;
  }

  /** Uses up some of the bytes and says how many. */
  #take(bytes: Buffer): number {
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      return skipped;
    }
    if (this.#wanted) return this.#collect(bytes, this.#wanted);
    const taken = Math.min(TAR_BLOCK_BYTES - this.#block.length, bytes.length);
    this.#block = Buffer.concat([this.#block, bytes.subarray(0, taken)]);
    if (this.#block.length === TAR_BLOCK_BYTES) {
      const block = this.#block;
      this.#block = Buffer.alloc(0);
      this.#header(block);
    }
    return taken;
  }

  #collect(bytes: Buffer, wanted: LongName): number {
    const taken = Math.min(wanted.left, bytes.length);
    wanted.parts.push(Buffer.from(bytes.subarray(0, taken)));
    wanted.left -= taken;
    if (wanted.left > 0) return taken;
    this.#wanted = null;
    this.#skip = wanted.padding;
    const content = Buffer.concat(wanted.parts);
    const name = wanted.type === 'L' ? cString(content) : paxPath(content);
    if (name !== null) this.#longName = name;
    return taken;
  }

  #header(block: Buffer): void {
    if (isZeroBlock(block)) {
      this.#ended = true;
      return;
    }
    const header = readTarHeader(block, this.#offset);
    const padding = (TAR_BLOCK_BYTES - (header.size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
    if (header.type === 'L' || header.type === 'x') {
      const limit = header.type === 'L' ? MAX_PATH_BYTES + 1 : MAX_PAX_BYTES;
      if (header.type === 'x' && !this.#options.pax) throw invalid('There are extended (pax) headers');
      if (header.size > limit || header.size === 0) throw invalid('A long name is too long');
      this.#wanted = { type: header.type, left: header.size, padding, parts: [] };
      return;
    }
    // Only these have content; what other kinds claim to have, dpkg does not skip either.
    if (CONTENT_TYPES.includes(header.type)) this.#skip = header.size + padding;
    if (header.type === 'g' && !this.#options.pax) throw invalid('There are extended (pax) headers');
    if (NOT_FILES.includes(header.type)) return;
    this.#add(this.#longName ?? header.name, header.type);
    this.#longName = null;
  }

  #add(name: string, type: string): void {
    const path = cleanPath(name);
    if (type === '5' || name.endsWith('/') || path === '') return;
    this.#pathBytes += path.length;
    if (this.#paths.length >= MAX_TAR_PATHS || this.#pathBytes > MAX_TAR_PATHS_BYTES) {
      throw invalid(`There are more than ${String(MAX_TAR_PATHS)} files, or their names are too long`);
    }
    this.#paths.push(path);
  }
}

/**
 * `usr/bin/hello` of `./usr/bin/hello`: without what stands before it. Throws `deb-invalid` for a path that
 * leaves the root, breaks a line or is too long.
 */
export function cleanPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const path = parts.join('/');
  if (parts.includes('..')) throw invalid(`'${shown(name)}' leaves the package`);
  if (path.length > MAX_PATH_BYTES) throw invalid('A path is too long');
  if (path.includes('\n')) throw invalid(`'${shown(name)}' has a line end in its name`);
  return path;
}

function shown(name: string): string {
  return name.slice(0, 100).replaceAll(/[^ -~]/g, '?');
}

/** The `path` of a pax header (POSIX pax, "pax Extended Header"), or null. */
function paxPath(content: Buffer): string | null {
  let found: string | null = null;
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(32, at);
    const length = space < 0 ? Number.NaN : Number(content.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at + 1 || at + length > content.length) {
      throw invalid('An extended (pax) header is broken');
    }
    const record = content.toString('latin1', space + 1, at + length - 1);
    if (record.startsWith('path=')) found = record.slice('path='.length);
    at += length;
  }
  return found;
}
