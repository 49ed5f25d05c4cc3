/** The `ar` archive format as deb(5) uses it, read without trust through a random-access reader. */
import { AppError } from '../errors/app-error.ts';

/** Gives `length` bytes from `offset`, or fewer at the file's end. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

export interface ArMember {
  /** Without padding and without the slash that some tools put after it. */
  name: string;
  /** Of the content, from the file's start, in bytes. */
  offset: number;
  size: number;
}

const MAGIC = '!<arch>\n';
const HEADER_BYTES = 60;
/** A .deb has three; deb(5) lets others start with an underscore. */
export const MAX_AR_MEMBERS = 16;

function invalid(message: string): AppError {
  return new AppError('deb-invalid', message);
}

/** Exactly `length` bytes; throws `deb-invalid` when the file ends before. */
export async function readExactly(read: ReadAt, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await read(offset, length);
  if (bytes.length !== length) throw invalid(`The file ends within ${length} bytes at ${offset}`);
  return bytes;
}

function parseHeader(bytes: Uint8Array, at: number): { name: string; size: number } {
  const header = Buffer.from(bytes).toString('latin1');
  if (header.slice(58) !== '`\n') throw invalid(`There is no ar header at ${at}`);
  const name = header.slice(0, 16).trimEnd().replace(/\/$/, '');
  const size = header.slice(48, 58).trimEnd();
  // Long names and symbol tables (`//`, `/`, `#1/20`) are of no use in a .deb.
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) throw invalid(`The ar header at ${at} has no plain name`);
  if (!/^[0-9]{1,10}$/.test(size)) throw invalid(`The ar header at ${at} has no size`);
  return { name, size: Number(size) };
}

/** Every member of an ar file of `size` bytes, in order. Throws `deb-invalid`. */
export async function readArMembers(read: ReadAt, size: number): Promise<ArMember[]> {
  const magic = await readExactly(read, 0, MAGIC.length);
  if (Buffer.from(magic).toString('latin1') !== MAGIC) throw invalid('This is not an ar file');
  const members: ArMember[] = [];
  let offset = MAGIC.length;
  while (offset < size) {
    if (members.length >= MAX_AR_MEMBERS) throw invalid(`There are more than ${MAX_AR_MEMBERS} members`);
    const header = parseHeader(await readExactly(read, offset, HEADER_BYTES), offset);
    const start = offset + HEADER_BYTES;
    if (start + header.size > size) throw invalid(`Member ${header.name} goes past the end of the file`);
    members.push({ name: header.name, offset: start, size: header.size });
    offset = start + header.size + (header.size % 2); // members start at even offsets
  }
  return members;
}
