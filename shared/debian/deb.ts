/**
 * What a binary package says of itself, read without trust: deb(5).
 *
 * In two steps, so that this stays free of files and processes: `readDebControl` finds the control member,
 * the caller reads its bytes, `extractControl` unpacks them.
 */
import { promisify } from 'node:util';
import { gunzip, gunzipSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { AppError, hasErrno, messageOf } from '../errors/app-error.ts';
import { readArMembers, readExactly, type ArMember, type ReadAt } from './ar.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';
import { isArchitectureName, isPackageName } from './names.ts';
import { requireReadableRelations } from './relation-fields.ts';
import { readTarFile } from './tar-file.ts';
import { isValidVersion, withoutEpoch } from './version.ts';
import { LzmaError, unpackXz } from './xz.ts';

/** Packed; kernels and data packages with long md5sums have some hundred KiB. */
export const CONTROL_MEMBER_MAX_BYTES = 16 * 1024 * 1024;
/** Unpacked, the whole tar. */
export const CONTROL_TAR_MAX_BYTES = 64 * 1024 * 1024;
/** The `control` file itself; the longest dependency fields of Debian stay below 100 KiB. */
export const CONTROL_FILE_MAX_BYTES = 1024 * 1024;

/** Packed members up to this are unpacked at once in memory: no child, no thread, a millisecond at most. */
const SMALL_MEMBER_BYTES = 64 * 1024;
/** What a small one may unpack to at once; a larger one goes the long way, where limits are the caller's. */
const SMALL_TAR_BYTES = 2 * 1024 * 1024;

const CONTROL_MEMBER = /^control\.tar(?:\.(?:gz|xz|zst))?$/;
const DATA_MEMBER = /^data\.tar(?:\.(?:gz|xz|zst|bz2|lzma))?$/;

export interface DebControl {
  package: string;
  version: string;
  architecture: string;
  /** The source's name: `Source`, or the package's own. */
  source: string;
  /** The source's version: what `Source` has in parentheses, or the package's own. */
  sourceVersion: string;
  paragraph: Paragraph;
  /** The `control` file as it is. */
  text: string;
}

function invalid(message: string, cause?: unknown): AppError {
  return new AppError('deb-invalid', message, { cause });
}

/** Where the control member of a .deb of `size` bytes lies; see {@link readDebMembers}. */
export async function readDebControl(read: ReadAt, size: number): Promise<ArMember> {
  return (await readDebMembers(read, size)).control;
}

/**
 * Where the control member and the data member of a .deb of `size` bytes lie. Reads headers only.
 *
 * Throws `deb-invalid` for anything but `debian-binary` (2.x), one control and one data member in this
 * order, with nothing beside them but members that start with an underscore.
 */
export async function readDebMembers(
  read: ReadAt,
  size: number,
): Promise<{ control: ArMember; data: ArMember }> {
  const members = await readArMembers(read, size);
  const [binary, control, data, ...others] = members.filter((member) => !member.name.startsWith('_'));
  if (binary?.name !== 'debian-binary' || binary !== members[0] || binary.size > 64) {
    throw invalid('The first member is not debian-binary');
  }
  const format = Buffer.from(await readExactly(read, binary.offset, binary.size)).toString('latin1');
  if (!/^2\.[0-9]+\n/.test(format)) throw invalid('The format is not 2.x');
  if (control === undefined || !CONTROL_MEMBER.test(control.name))
    throw invalid('The second member is not control.tar');
  if (data === undefined || !DATA_MEMBER.test(data.name)) throw invalid('The third member is not data.tar');
  if (others[0] !== undefined) throw invalid(`There is a further member, ${others[0].name}`);
  if (control.size > CONTROL_MEMBER_MAX_BYTES) throw invalid(`${control.name} is too large`);
  return { control, data };
}

const gunzipAsync = promisify(gunzip);
const unzstdAsync = promisify(zstdDecompress);

async function decompress(
  memberName: string,
  bytes: Uint8Array,
  decompressXz: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const limit = { maxOutputLength: CONTROL_TAR_MAX_BYTES };
  const small = bytes.length <= SMALL_MEMBER_BYTES ? unpackSmall(memberName, bytes, SMALL_TAR_BYTES) : null;
  if (small !== null) return small;
  try {
    if (memberName.endsWith('.gz')) return await gunzipAsync(bytes, limit);
    if (memberName.endsWith('.zst')) return await unzstdAsync(bytes, limit);
    return memberName.endsWith('.xz') ? await decompressXz(bytes) : bytes;
  } catch (error) {
    if (isOurFault(error)) throw error;
    throw invalid(`${memberName} cannot be unpacked: ${messageOf(error)}`, error);
  }
}

/** A program that is missing or cannot be started, a machine without memory: nothing that the package did. */
export function isOurFault(error: unknown): boolean {
  if (error instanceof AppError) return ['process-not-found', 'process-not-started'].includes(error.code);
  return hasErrno(error, 'EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'ENOSPC');
}

/**
 * Unpacks a small member at once in memory, by the ending of its name. Null for what is broken, unusual or unpacks
 * to more than `maxBytes`: the long way decides, and words the error.
 */
export function unpackSmall(memberName: string, bytes: Uint8Array, maxBytes: number): Uint8Array | null {
  const limit = { maxOutputLength: maxBytes };
  try {
    if (memberName.endsWith('.gz')) return gunzipSync(bytes, limit);
    if (memberName.endsWith('.zst')) return zstdDecompressSync(bytes, limit);
    if (memberName.endsWith('.xz')) return unpackXz(bytes, maxBytes);
    return memberName.endsWith('.tar') ? bytes : null;
  } catch (error) {
    if (error instanceof LzmaError || (error instanceof Error && 'code' in error)) return null;
    throw error;
  }
}

/** `hello` or `hello (1.0-1)`. */
function sourceOf(
  paragraph: Paragraph,
  name: string,
  version: string,
): { source: string; sourceVersion: string } {
  const match = /^([^ ()]+)(?: \(([^ ()]+)\))?$/.exec(paragraph.get('Source') ?? name);
  const [, source = '', sourceVersion = version] = match ?? [];
  if (!isPackageName(source) || !isValidVersion(sourceVersion))
    throw invalid('Field Source is not in the form');
  return { source, sourceVersion };
}

/** The facts of a `control` file; throws `deb-invalid`. */
function readControl(text: string): DebControl {
  let paragraph: Paragraph;
  try {
    paragraph = parseParagraph(text);
    requireReadableRelations(paragraph);
  } catch (error) {
    throw invalid(`The control file cannot be read: ${messageOf(error)}`, error);
  }
  const field = (name: string, isInForm: (value: string) => boolean): string => {
    const value = paragraph.get(name) ?? '';
    if (isInForm(value)) return value;
    throw invalid(`Field ${name} of the control file is not in the form: '${value.slice(0, 100)}'`);
  };
  const name = field('Package', isPackageName);
  const version = field('Version', isValidVersion);
  const architecture = field('Architecture', isArchitectureName);
  return { package: name, version, architecture, ...sourceOf(paragraph, name, version), paragraph, text };
}

/**
 * Unpacks a control member and reads the `control` file in it.
 *
 * `decompressXz` must hold its own output limit ({@link CONTROL_TAR_MAX_BYTES}). Throws `deb-invalid`,
 * whatever is wrong: packing, tar, text encoding, fields.
 */
export async function extractControl(
  memberName: string,
  bytes: Uint8Array,
  decompressXz: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<DebControl> {
  if (!CONTROL_MEMBER.test(memberName)) throw invalid(`'${memberName.slice(0, 40)}' is not a control member`);
  if (bytes.length > CONTROL_MEMBER_MAX_BYTES) throw invalid(`${memberName} is too large`);
  const tar = await decompress(memberName, bytes, decompressXz);
  if (tar.length > CONTROL_TAR_MAX_BYTES) throw invalid(`${memberName} unpacks to too much`);
  const content = readTarFile(tar, 'control', CONTROL_FILE_MAX_BYTES);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (error) {
    throw invalid('The control file is not UTF-8', error);
  }
  return readControl(text);
}

/** The name dpkg-deb gives a package: without epoch. */
export function debFileName(
  control: Pick<DebControl, 'package' | 'version' | 'architecture'>,
  type = 'deb',
): string {
  return `${control.package}_${withoutEpoch(control.version)}_${control.architecture}.${type}`;
}
