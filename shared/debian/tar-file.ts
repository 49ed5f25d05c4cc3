/**
 * One file out of a tar that is held in memory, read without trust: tar(5), the forms that dpkg takes (v7,
 * ustar, GNU long names). Nothing is ever written, so paths and links cannot lead anywhere.
 */
import { AppError } from '../errors/app-error.ts';
import { cString, isZeroBlock, readTarHeader, TAR_BLOCK_BYTES, type TarHeader } from './tar-header.ts';

/** A control tar holds scripts, lists and templates: some tens of files at most. */
export const MAX_TAR_ENTRIES = 1_000;
/** Linux ends paths at 4,096 bytes. */
const MAX_NAME_BYTES = 4_096;

function invalid(message: string): AppError {
  return new AppError('deb-invalid', message);
}

interface Entry extends TarHeader {
  start: number;
}

/**
 * One regular file at the top of the tar, `name` or `./name`. Throws `deb-invalid` when it is missing, there
 * twice, too large, or the tar is broken. The bytes are the tar's own, not a copy.
 */
export function readTarFile(tar: Uint8Array, name: string, maxBytes: number): Uint8Array {
  const bytes = Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength);
  let found: Entry | null = null;
  for (const entry of entriesOf(bytes)) {
    if (entry.name.replace(/^\.\/+/, '') !== name) continue;
    if (found !== null) throw invalid(`There are two files ${name}`);
    if (!['0', '\0', '7'].includes(entry.type)) throw invalid(`${name} is not a regular file`);
    if (entry.size > maxBytes) throw invalid(`${name} is larger than ${String(maxBytes)} bytes`);
    found = entry;
  }
  if (found === null) throw invalid(`There is no file ${name}`);
  return bytes.subarray(found.start, found.start + found.size);
}

function* entriesOf(bytes: Buffer): Generator<Entry> {
  let at = 0;
  let longName: string | null = null;
  for (let count = 0; ; count += 1) {
    if (count > MAX_TAR_ENTRIES) throw invalid(`There are more than ${String(MAX_TAR_ENTRIES)} files`);
    const header = bytes.subarray(at, at + TAR_BLOCK_BYTES);
    // Tars end with blocks of zeros; that some tool left them away is no harm.
    if (header.length === 0 || isZeroBlock(header)) return;
    const entry: Entry = { ...readTarHeader(header, at), start: at + TAR_BLOCK_BYTES };
    at = entry.start + Math.ceil(entry.size / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
    if (entry.start + entry.size > bytes.length)
      throw invalid('The tar cannot be read: it ends within a file');
    if (entry.type === 'L') {
      if (entry.size > MAX_NAME_BYTES) throw invalid('The tar cannot be read: a name is too long');
      longName = cString(bytes.subarray(entry.start, entry.start + entry.size));
      continue;
    }
    if (entry.type === 'K') continue; // the long target of a link
    if (entry.type === 'g' || entry.type === 'x')
      throw invalid('The tar has pax headers, which dpkg refuses');
    if (longName !== null) entry.name = longName;
    longName = null;
    yield entry;
  }
}
