/**
 * One xz stream put together from blocks that were compressed at different times. apt reads only the first
 * stream of a file, so blocks must share one: header, blocks, index of the blocks, footer (The .xz File
 * Format 1.2.1, sections 2 to 4; https://tukaani.org/xz/xz-file-format.txt).
 */
import { crc32 } from 'node:zlib';
import { runChecked } from '../../../../shared/process/run.ts';

/** A compressed block with its padding, and what the stream's index says of it. */
export interface XzBlock {
  bytes: Buffer;
  /** Without the padding, in bytes. */
  unpaddedSize: number;
  uncompressedSize: number;
}

const HEADER_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const FOOTER_MAGIC = Buffer.from([0x59, 0x5a]);
/** Stream flags: no check but CRC32, which is what apt's own indexes in Debian carry at least. */
const FLAGS = Buffer.from([0x00, 0x01]);
const HEADER_SIZE = 12;
const FOOTER_SIZE = 12;
/** xz packs some 2 MB/s on a slow core. */
const TIMEOUT_MS = 30 * 60_000;
const MAX_OUTPUT_BYTES = 1024 * 1024 * 1024;
/**
 * Larger than a block has text, so it packs no worse than the preset's own 8 MiB; but for each thread that one
 * takes some 90 MiB and the time to clear them.
 */
const DICTIONARY = '1MiB';
/** One argument may hold 128 KiB on Linux; a size has at most ten characters. */
const MAX_BLOCKS_PER_RUN = 8_000;

/** Compresses each text as a block of its own; the same text gives the same block, alone or among others. */
export async function compressBlocks(texts: readonly Buffer[], preset = 6): Promise<XzBlock[]> {
  const blocks: XzBlock[] = [];
  for (let from = 0; from < texts.length; from += MAX_BLOCKS_PER_RUN) {
    blocks.push(...(await compressRun(texts.slice(from, from + MAX_BLOCKS_PER_RUN), preset)));
  }
  return blocks;
}

async function compressRun(texts: readonly Buffer[], preset: number): Promise<XzBlock[]> {
  // The threaded coder writes sizes into block headers, so a single block must go through it as well.
  const { stdout } = await runChecked(
    [
      ...([
        'xz',
        '--stdout',
        '--format=xz',
        '--check=crc32',
        `--lzma2=preset=${String(preset)},dict=${DICTIONARY}`,
        '--threads=2',
      ] as const),
      `--block-list=${texts.map((text) => String(text.length)).join(',')}`,
    ],
    { input: Buffer.concat(texts), timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES },
  );
  const blocks = splitStream(stdout);
  if (
    blocks.length !== texts.length ||
    blocks.some((block, at) => block.uncompressedSize !== texts[at]?.length)
  ) {
    throw new Error(`xz made ${String(blocks.length)} blocks of ${String(texts.length)} texts`);
  }
  return blocks;
}

/** The blocks of a single-stream file, by its index. Throws for what is not one. */
export function splitStream(stream: Buffer): XzBlock[] {
  const backward = stream.readUInt32LE(stream.length - FOOTER_SIZE + 4);
  const indexSize = (backward + 1) * 4;
  const reader = { bytes: stream, at: stream.length - FOOTER_SIZE - indexSize };
  if (stream[reader.at] !== 0) throw new Error('an xz index begins with a zero byte');
  reader.at += 1;
  const count = readVarint(reader);
  const blocks: XzBlock[] = [];
  let start = HEADER_SIZE;
  for (let index = 0; index < count; index += 1) {
    const unpaddedSize = readVarint(reader);
    const uncompressedSize = readVarint(reader);
    const end = start + paddedSize(unpaddedSize);
    blocks.push({ bytes: stream.subarray(start, end), unpaddedSize, uncompressedSize });
    start = end;
  }
  return blocks;
}

/** What stands before the first block. */
export function streamHeader(): Buffer {
  return Buffer.concat([HEADER_MAGIC, FLAGS, checksum(FLAGS)]);
}

/** What stands behind the last block: the index and the footer. */
export function streamTail(blocks: readonly Pick<XzBlock, 'unpaddedSize' | 'uncompressedSize'>[]): Buffer {
  const records = blocks.flatMap((block) => [varint(block.unpaddedSize), varint(block.uncompressedSize)]);
  const body = Buffer.concat([Buffer.from([0]), varint(blocks.length), ...records]);
  const index = Buffer.concat([body, Buffer.alloc(paddedSize(body.length) - body.length)]);
  const sealed = Buffer.concat([index, checksum(index)]);
  const sizeAndFlags = Buffer.alloc(4 + FLAGS.length);
  sizeAndFlags.writeUInt32LE(sealed.length / 4 - 1, 0);
  FLAGS.copy(sizeAndFlags, 4);
  return Buffer.concat([sealed, checksum(sizeAndFlags), sizeAndFlags, FOOTER_MAGIC]);
}

/** Blocks begin at multiples of four bytes. */
export function paddedSize(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(bytes), 0);
  return sum;
}

/** Section 1.2: seven bits a byte, the lowest first. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function readVarint(reader: { bytes: Buffer; at: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined || scale > 2 ** 49) throw new Error('a number in an xz index is broken');
    reader.at += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
}
