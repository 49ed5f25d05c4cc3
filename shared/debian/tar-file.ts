/**
 * One file out of a tar that is held in memory, read without trust: tar(5), the forms that dpkg takes (v7,
 * ustar, GNU long names). Nothing is ever written, so paths and links cannot lead anywhere.
 */
import { AppError } from '../errors/app-error.ts';

/** A control tar holds scripts, lists and templates: some tens of files at most. */
export const MAX_TAR_ENTRIES = 1_000;
const BLOCK_BYTES = 512;
/** Linux ends paths at 4,096 bytes. */
const MAX_NAME_BYTES = 4_096;

function invalid(message: string): AppError {
  return new AppError('deb-invalid', message);
}

interface Entry {
  name: string;
  /** The type flag: `0` for a regular file, `5` for a folder, ... */
  type: string;
  start: number;
  size: number;
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
    const header = bytes.subarray(at, at + BLOCK_BYTES);
    // Tars end with blocks of zeros; that some tool left them away is no harm.
    if (header.length === 0 || isZero(header)) return;
    const entry = readHeader(header, at);
    at = entry.start + Math.ceil(entry.size / BLOCK_BYTES) * BLOCK_BYTES;
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

function readHeader(header: Buffer, at: number): Entry {
  if (header.length < BLOCK_BYTES) throw invalid('The tar cannot be read: it ends within a header');
  if (!isChecksumRight(header)) throw invalid(`The tar cannot be read: there is no header at ${String(at)}`);
  const own = cString(header.subarray(0, 100));
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? cString(header.subarray(345, 500)) : '';
  return {
    name: prefix === '' ? own : `${prefix}/${own}`,
    type: String.fromCharCode(header[156] as number),
    start: at + BLOCK_BYTES,
    size: readSize(header.subarray(124, 136)),
  };
}

/** Octal; GNU's binary form is for files of 8 GiB and more, which are refused anyhow. */
function readSize(field: Buffer): number {
  const text = cString(field).trim();
  if (!/^[0-7]{1,12}$/.test(text)) throw invalid('The tar cannot be read: a size is not in the form');
  return Number.parseInt(text, 8);
}

/** The sum of all bytes, the sum's own field taken for blanks; old tools summed signed bytes. */
function isChecksumRight(header: Buffer): boolean {
  const wanted = Number.parseInt(cString(header.subarray(148, 156)).trim(), 8);
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    const byte = at >= 148 && at < 156 ? 0x20 : (header[at] as number);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return wanted === unsigned || wanted === signed;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function cString(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
}
