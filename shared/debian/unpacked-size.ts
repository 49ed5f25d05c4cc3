/**
 * How large a compressed file says that it unpacks to, read from its ends without unpacking anything. It can
 * lie (gzip says it modulo 4 GiB and of its last member only; bzip2 says nothing), so this finds what is too
 * large honestly, and who unpacks has limits of its own.
 */

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** The .xz format, 2.1: header and footer of a stream. */
const XZ_END = 12;
/** A stream for each of a cluster's machines; far more than pixz or xz -T make. */
const MAX_STREAMS = 256;
/** Of one stream's index: 18 bytes a block at most. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024;
/** Of zeros between streams; the format knows no limit. */
const MAX_PADDING_BYTES = 64 * 1024;

/** Bytes, by the ending of the file's name; null where the file does not say, or not in the form. */
export async function declaredUnpackedBytes(
  name: string,
  size: number,
  read: ReadAt,
): Promise<number | null> {
  if (name.endsWith('.xz')) return xzBytes(size, read);
  if (name.endsWith('.gz')) return gzipBytes(size, read);
  if (name.endsWith('.lzma')) return lzmaBytes(read);
  return null;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** RFC 1952, 2.3.1: ISIZE. */
async function gzipBytes(size: number, read: ReadAt): Promise<number | null> {
  if (size < 18) return null;
  const end = await read(size - 4, 4);
  return end.length === 4 ? view(end).getUint32(0, true) : null;
}

/** The .lzma header: properties, dictionary size, then the size or all ones for unknown. */
async function lzmaBytes(read: ReadAt): Promise<number | null> {
  const header = await read(0, 13);
  if (header.length < 13) return null;
  const bytes = view(header).getBigUint64(5, true);
  return bytes === 0xffffffffffffffffn ? null : Number(bytes);
}

/** The sum over all streams, from the last one's footer to the first one's header. */
async function xzBytes(size: number, read: ReadAt): Promise<number | null> {
  let end = size;
  let total = 0;
  for (let stream = 0; stream < MAX_STREAMS && end > 0; stream += 1) {
    end = await withoutPadding(end, read);
    const found = await xzStream(end, read);
    if (found === null) return null;
    total += found.unpacked;
    end = found.start;
  }
  return end === 0 ? total : null;
}

async function withoutPadding(end: number, read: ReadAt): Promise<number> {
  let at = end;
  while (at >= 4 && end - at < MAX_PADDING_BYTES) {
    const word = await read(at - 4, 4);
    if (word.some((byte) => byte !== 0)) break;
    at -= 4;
  }
  return at;
}

async function xzStream(end: number, read: ReadAt): Promise<{ unpacked: number; start: number } | null> {
  const footer = end < 2 * XZ_END ? new Uint8Array() : await read(end - XZ_END, XZ_END);
  if (footer.length < XZ_END || footer[10] !== 0x59 || footer[11] !== 0x5a) return null;
  const indexBytes = (view(footer).getUint32(4, true) + 1) * 4;
  const indexStart = end - XZ_END - indexBytes;
  if (indexBytes > MAX_INDEX_BYTES || indexStart < XZ_END) return null;
  const sums = sumOfIndex(await read(indexStart, indexBytes));
  if (sums === null) return null;
  const start = indexStart - sums.packed - XZ_END;
  return start < 0 ? null : { unpacked: sums.unpacked, start };
}

/** The index: a zero, the number of records, then for each block its size (padded to four) and unpacked size. */
function sumOfIndex(index: Uint8Array): { packed: number; unpacked: number } | null {
  if (index[0] !== 0) return null;
  let at = 1;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; shift < 63 && at < index.length; shift += 7) {
      const byte = index[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return Number.NaN;
  };
  const records = next();
  const sums = { packed: 0, unpacked: 0 };
  for (let record = 0; record < records && at < index.length; record += 1) {
    sums.packed += Math.ceil(next() / 4) * 4;
    sums.unpacked += next();
  }
  return Number.isFinite(records) && Number.isFinite(sums.packed + sums.unpacked) ? sums : null;
}
