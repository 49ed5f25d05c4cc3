/**
 * Small .xz files unpacked in memory (The .xz File Format 1.2.1): what dpkg-deb and `xz` write, one filter
 * (LZMA2) and every check. The index at the end says the unpacked size before a byte is unpacked.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Lzma2Decoder, LzmaError } from './lzma.ts';

const MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const HEADER_BYTES = 12;
const LZMA2_FILTER = 0x21;
/** Checks by their number: none, CRC32, CRC64, SHA-256. */
const CHECK_BYTES: Record<number, number> = { 0: 0, 1: 4, 4: 8, 10: 32 };

export { LzmaError } from './lzma.ts';

/**
 * Unpacks a file of one stream, or of several one after the other. Throws {@link LzmaError} when it is broken,
 * unpacks to more than `maxBytes`, or uses what is not supported here (other filters).
 */
export function unpackXz(file: Uint8Array, maxBytes: number): Buffer {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const streams: Buffer[] = [];
  let at = 0;
  let total = 0;
  while (at < bytes.length) {
    if (at > 0 && at % 4 === 0 && bytes.length - at >= 4 && bytes.readUInt32LE(at) === 0) {
      at += 4; // padding between streams
      continue;
    }
    const stream = unpackStream(bytes, at, maxBytes - total);
    streams.push(stream.content);
    total += stream.content.length;
    at = stream.end;
  }
  if (streams.length === 0) throw new LzmaError('there is no stream');
  return streams.length === 1 ? (streams[0] as Buffer) : Buffer.concat(streams);
}

interface Sizes {
  unpadded: number;
  unpacked: number;
}

function unpackStream(bytes: Buffer, start: number, maxBytes: number): { content: Buffer; end: number } {
  const header = bytes.subarray(start, start + HEADER_BYTES);
  if (header.length < HEADER_BYTES || !header.subarray(0, 6).equals(MAGIC))
    throw new LzmaError('not an xz stream');
  if (header.readUInt32LE(8) !== crc32(header.subarray(6, 8))) throw new LzmaError('the header is broken');
  const check = header[7] as number;
  const checkBytes = CHECK_BYTES[check];
  if (header[6] !== 0 || checkBytes === undefined) throw new LzmaError('flags that are not supported');
  const parts: Buffer[] = [];
  const found: Sizes[] = [];
  let at = start + HEADER_BYTES;
  let total = 0;
  while (at < bytes.length && bytes[at] !== 0) {
    const block = unpackBlock(bytes, at, { check, checkBytes, maxBytes: maxBytes - total });
    parts.push(block.content);
    total += block.content.length;
    found.push({ unpadded: block.unpadded, unpacked: block.content.length });
    at = block.end;
  }
  const index = readIndex(bytes, at, found);
  checkFooter(bytes.subarray(index.end, index.end + HEADER_BYTES), header, index.end - at);
  const content = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  return { content, end: index.end + HEADER_BYTES };
}

function checkFooter(footer: Buffer, header: Buffer, indexBytes: number): void {
  const isWhole =
    footer.length === HEADER_BYTES &&
    footer.readUInt16LE(10) === 0x5a59 &&
    footer.readUInt32LE(0) === crc32(footer.subarray(4, 10)) &&
    (footer.readUInt32LE(4) + 1) * 4 === indexBytes &&
    footer.readUInt16LE(8) === header.readUInt16LE(6);
  if (!isWhole) throw new LzmaError('the footer is broken');
}

interface BlockLimits {
  check: number;
  checkBytes: number;
  maxBytes: number;
}

function unpackBlock(
  bytes: Buffer,
  start: number,
  limits: BlockLimits,
): { content: Buffer; unpadded: number; end: number } {
  const headerBytes = ((bytes[start] as number) + 1) * 4;
  const header = bytes.subarray(start, start + headerBytes);
  const isWhole =
    header.length === headerBytes &&
    header.readUInt32LE(headerBytes - 4) === crc32(header.subarray(0, headerBytes - 4));
  if (!isWhole) throw new LzmaError('a block header is broken');
  const { packed, unpacked, dictionaryBytes } = readBlockHeader(header.subarray(1, headerBytes - 4));
  if (unpacked !== null && unpacked > limits.maxBytes) throw new LzmaError('it unpacks to too much');
  const dataStart = start + headerBytes;
  const out = Buffer.allocUnsafe(unpacked ?? roomFor(bytes.length - dataStart, limits.maxBytes));
  const { at, written, whole } = unpackInto(bytes, dataStart, {
    out,
    dictionaryBytes,
    maxBytes: limits.maxBytes,
  });
  if ((packed !== null && at - dataStart !== packed) || (unpacked !== null && written !== unpacked)) {
    throw new LzmaError('a block has another size than it says');
  }
  const content = whole.subarray(0, written);
  let end = at;
  for (; (end - start) % 4 !== 0; end += 1) if (bytes[end] !== 0) throw new LzmaError('padding is not zero');
  const sum = bytes.subarray(end, end + limits.checkBytes);
  if (!sum.equals(checkOf(limits.check, content))) throw new LzmaError('a sum is wrong');
  return { content, unpadded: at - start + limits.checkBytes, end: end + limits.checkBytes };
}

/** A first guess at how much it unpacks to: text packs to a quarter, and zeros of a tar to much less. */
function roomFor(packedBytes: number, maxBytes: number): number {
  return Math.min(maxBytes, Math.max(64 * 1024, packedBytes * 8));
}

/** Tries again with more room, at most a few times, since the room grows eightfold. */
function unpackInto(
  bytes: Buffer,
  at: number,
  room: { out: Buffer; dictionaryBytes: number; maxBytes: number },
): { at: number; written: number; whole: Buffer } {
  let { out } = room;
  for (;;) {
    try {
      return { ...new Lzma2Decoder(bytes, at, out, room.dictionaryBytes).unpack(), whole: out };
    } catch (error) {
      const isFull = error instanceof LzmaError && error.message === 'it unpacks to more than it says';
      if (!isFull || out.length >= room.maxBytes) throw error;
      out = Buffer.allocUnsafe(Math.min(room.maxBytes, out.length * 8));
    }
  }
}

/** Section 3.1: flags, sizes, filters, padding of zeros. */
function readBlockHeader(fields: Buffer): {
  packed: number | null;
  unpacked: number | null;
  dictionaryBytes: number;
} {
  const flags = fields[0] as number;
  if ((flags & 0x3f) !== 0) throw new LzmaError('filters that are not supported');
  const reader = { bytes: fields, at: 1 };
  const packed = (flags & 0x40) === 0 ? null : readVarint(reader);
  const unpacked = (flags & 0x80) === 0 ? null : readVarint(reader);
  const isLzma2 = readVarint(reader) === LZMA2_FILTER && readVarint(reader) === 1;
  const size = fields[reader.at] ?? 0xff;
  const isPadded = fields.subarray(reader.at + 1).every((byte) => byte === 0);
  if (!isLzma2 || size > 40 || !isPadded) throw new LzmaError('filters that are not supported');
  const dictionaryBytes = size === 40 ? 0xffffffff : (2 | (size & 1)) * 2 ** (Math.floor(size / 2) + 11);
  return { packed, unpacked, dictionaryBytes };
}

/** Section 4, held to the blocks that were found. */
function readIndex(bytes: Buffer, start: number, found: readonly Sizes[]): { end: number } {
  const reader = { bytes, at: start + 1 };
  if (bytes[start] !== 0 || readVarint(reader) !== found.length) throw new LzmaError('the index is broken');
  for (const { unpadded, unpacked } of found) {
    if (readVarint(reader) !== unpadded || readVarint(reader) !== unpacked)
      throw new LzmaError('the index is broken');
  }
  for (; (reader.at - start) % 4 !== 0; reader.at += 1) {
    if (bytes[reader.at] !== 0) throw new LzmaError('the index is broken');
  }
  const isWhole =
    reader.at + 4 <= bytes.length &&
    bytes.readUInt32LE(reader.at) === crc32(bytes.subarray(start, reader.at));
  if (!isWhole) throw new LzmaError('the index is broken');
  return { end: reader.at + 4 };
}

function checkOf(check: number, content: Buffer): Buffer {
  if (check === 10) return createHash('sha256').update(content).digest();
  const sum = Buffer.alloc(CHECK_BYTES[check] ?? 0);
  if (check === 1) sum.writeUInt32LE(crc32(content));
  if (check === 4) writeCrc64(content, sum);
  return sum;
}

/** ECMA-182, reflected, as two halves: a BigInt for each byte would take longer than the unpacking. */
const CRC64 = makeCrc64Table();

function makeCrc64Table(): { low: Int32Array; high: Int32Array } {
  const table = { low: new Int32Array(256), high: new Int32Array(256) };
  for (let byte = 0; byte < 256; byte += 1) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit += 1) {
      const isOdd = (low & 1) === 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (isOdd) {
        low ^= 0xd7870f42;
        high ^= 0xc96c5795;
      }
    }
    table.low[byte] = low;
    table.high[byte] = high;
  }
  return table;
}

function writeCrc64(content: Uint8Array, sum: Buffer): void {
  const { low: lowTable, high: highTable } = CRC64;
  let low = -1;
  let high = -1;
  for (const byte of content) {
    const index = (low ^ byte) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (lowTable[index] as number);
    high = (high >>> 8) ^ (highTable[index] as number);
  }
  sum.writeInt32LE(~low, 0);
  sum.writeInt32LE(~high, 4);
}

/** Section 1.2: seven bits a byte, the lowest first. */
function readVarint(reader: { bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) break;
    reader.at += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  throw new LzmaError('a number is broken');
}
