/**
 * The compressed forms of an index. Each packs a chunk of text for itself, so that what did not change is
 * never compressed again, and puts the packed chunks together to a file that clients read as one text.
 */
import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import { compressBlocks, paddedSize, streamHeader, streamTail } from '../chunks/xz.ts';

export const FORM_NAMES = ['gz', 'xz', 'zstd'] as const;
export type FormName = (typeof FORM_NAMES)[number];

/** One chunk in one form. */
export interface Packed {
  /** As it stands in the file, padding included. */
  bytes: Buffer;
  /** What is remembered of it: its length, of an xz block without the padding. */
  size: number;
}

export interface Form {
  ending: string;
  /** Packs each text for itself: the same text gives the same bytes, alone or among others. */
  pack: (texts: readonly Buffer[]) => Promise<Packed[]>;
  /** What stands before the first chunk. */
  header: () => Buffer;
  /** What stands behind the last one; sizes in bytes, in order. */
  tail: (chunks: readonly { size: number; textSize: number }[]) => Buffer;
  /** How long a chunk of that {@link Packed.size} is in the file. */
  lengthOf: (size: number) => number;
}

/** apt reads any level; 9 costs a little more time once and saves every client's. */
const GZIP_LEVEL = 9;
const gzipAsync = promisify(gzip);
/** Of an empty gzip member, as zlib makes it: an empty index is offered like any other. */
const EMPTY_GZIP = Buffer.from('H4sIAAAAAAACAwMAAAAAAAAAAAA=', 'base64');

/** Within a few percent of 19 on chunks of this size, in a third of the time. */
const ZSTD_LEVEL = 15;
const ZSTD_PARAMS = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 };
const zstdAsync = promisify(zstdCompress);
/** A frame without content (RFC 8878, 3.1.1): a raw last block of no bytes, content size 0. */
const EMPTY_ZSTD = Buffer.from('28b52ffd2000010000', 'hex');

const NOTHING = Buffer.alloc(0);

/** Members and frames that follow each other are one text (RFC 1952 2.2; RFC 8878 3). */
function concatenated(ending: string, empty: Buffer, packOne: (text: Buffer) => Promise<Buffer>): Form {
  return {
    ending,
    pack: (texts) =>
      Promise.all(
        texts.map(async (text) => {
          const bytes = await packOne(text);
          return { bytes, size: bytes.length };
        }),
      ),
    header: () => NOTHING,
    tail: (chunks) => (chunks.length === 0 ? empty : NOTHING),
    lengthOf: (size) => size,
  };
}

export const FORMS: Record<FormName, Form> = {
  gz: concatenated('.gz', EMPTY_GZIP, (text) => gzipAsync(text, { level: GZIP_LEVEL })),
  zstd: concatenated('.zst', EMPTY_ZSTD, (text) =>
    zstdAsync(text, { params: ZSTD_PARAMS, pledgedSrcSize: text.length }),
  ),
  xz: {
    ending: '.xz',
    pack: async (texts) => {
      const blocks = await compressBlocks(texts);
      return blocks.map(({ bytes, unpaddedSize }) => ({ bytes, size: unpaddedSize }));
    },
    header: streamHeader,
    tail: (chunks) =>
      streamTail(chunks.map(({ size, textSize }) => ({ unpaddedSize: size, uncompressedSize: textSize }))),
    lengthOf: paddedSize,
  },
};
