/** A tar's header block, read without trust: tar(5), the forms v7, ustar and GNU. */
import { AppError } from '../errors/app-error.ts';

export const TAR_BLOCK_BYTES = 512;
const ZERO_BLOCK = Buffer.alloc(TAR_BLOCK_BYTES);

export interface TarHeader {
  /** A byte a character (latin1), since tar knows no encoding. */
  name: string;
  /** The type flag: `0` or NUL for a regular file, `5` for a folder, ... */
  type: string;
  /** Of the content that follows, in bytes. */
  size: number;
}

function invalid(message: string): AppError {
  return new AppError('deb-invalid', `The tar cannot be read: ${message}`);
}

/** The header in a block at `at`, which is for the message. Throws `deb-invalid`. */
export function readTarHeader(block: Buffer, at: number): TarHeader {
  if (block.length < TAR_BLOCK_BYTES) throw invalid('it ends within a header');
  if (!isChecksumRight(block)) throw invalid(`there is no header at ${String(at)}`);
  const own = cString(block.subarray(0, 100));
  // Only POSIX's own form has a prefix there; GNU's has times.
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? cString(block.subarray(345, 500)) : '';
  return {
    name: prefix === '' ? own : `${prefix}/${own}`,
    type: String.fromCharCode(block[156] as number),
    size: readSize(block.subarray(124, 136)),
  };
}

/** Octal, or GNU's binary form for files of 8 GiB and more. */
function readSize(field: Buffer): number {
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((total, byte) => total * 256 + byte, 0);
    if (Number.isSafeInteger(value)) return value;
  }
  const text = cString(field).trim();
  if (!/^[0-7]{1,12}$/.test(text)) throw invalid('a size is not in the form');
  return Number.parseInt(text, 8);
}

/** The sum of all bytes, the sum's own field taken for blanks; old tools summed signed bytes. */
function isChecksumRight(header: Buffer): boolean {
  const wanted = Number.parseInt(cString(header.subarray(148, 156)).trim(), 8);
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < TAR_BLOCK_BYTES; at += 1) {
    const byte = at >= 148 && at < 156 ? 0x20 : (header[at] as number);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return wanted === unsigned || wanted === signed;
}

/** True for a block of zeros, which ends a tar. */
export function isZeroBlock(block: Buffer): boolean {
  return block[0] === 0 && block.equals(ZERO_BLOCK.subarray(0, block.length));
}

/** What stands before the first NUL. */
export function cString(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
}
