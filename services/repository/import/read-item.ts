/** Reads one candidate: its sums, its control data, the stanza it gets. Runs in a thread of its own. */
import { createHash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  type BigIntStats,
} from 'node:fs';
import path from 'node:path';
import {
  CONTROL_TAR_MAX_BYTES,
  debFileName,
  extractControl,
  readDebMembers,
} from '../../../shared/debian/deb.ts';
import type { ArMember, ReadAt } from '../../../shared/debian/ar.ts';
import { dscFileName, parseDsc, type Dsc } from '../../../shared/debian/dsc.ts';
import { packagesStanza, sourcesStanza } from '../../../shared/debian/indexes.ts';
import { isOverridePriority, isOverrideSection } from '../../../shared/debian/override.ts';
import type { Paragraph } from '../../../shared/debian/paragraph.ts';
import { poolPath, productPool, sourceDirectory } from '../../../shared/debian/pool-path.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import { runChecked } from '../../../shared/process/run.ts';
import { readFileList, readSmallList } from '../incoming/read-file-list.ts';
import { readSourceList } from '../incoming/read-source-list.ts';
import { packPaths } from '../pool/file-lists.ts';
import type { NewPackage } from '../pool/records.ts';
import type { Candidate, ExpectedFile } from './candidate.ts';

/** What every candidate of an import has in common. */
export interface ReadScope {
  root: string;
  product: string;
  components: readonly string[];
  /** Whether the lists of files are wanted too, of binary and of source packages. */
  contents: boolean;
  contentsSource: boolean;
}

/** A file as it goes into the pool. */
export interface ReadFile {
  /** Relative to the import's root. */
  from: string;
  /** Of the file when it was read, see {@link stampOf}. */
  stamp: string;
  /** In the product's pool. */
  path: string;
  size: number;
  sha256: string;
}

export interface ReadPackage extends Omit<NewPackage, 'files' | 'fileList'> {
  files: ReadFile[];
  /** What it unpacks to, as `file_lists` keeps it, in base64; null where it was not wanted. */
  list: { count: number; packed: string } | null;
  /** The archive's word where it is another than the package's own; null for what is the same. */
  override: { section: string | null; priority: string | null };
}

/** A file with its sums. */
interface Hashed {
  name: string;
  size: number;
  md5: string;
  sha1: string;
  sha256: string;
  stamp: string;
}

/** Files up to this are read in one piece, once for sums and control data together. */
const WHOLE_BYTES = 4 * 1024 * 1024;
/** Packed and unpacked sizes of data members that are read without a child: a second at the worst. */
const SMALL_DATA_BYTES = 512 * 1024;
const SMALL_TAR_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const MAX_DSC_BYTES = 8 * 1024 * 1024;
/** A control tar unpacks in milliseconds; a bomb is cut by the output limit. */
const XZ_TIMEOUT_MS = 30_000;
/** Enough for xz -9, which needs 65 MiB to unpack. */
const XZ_MEMORY = '128MiB';
const EMPTY = { md5: '', sha1: '', sha256: '', stamp: '' };
const buffer = Buffer.allocUnsafeSlow(WHOLE_BYTES);

/** What tells that a file was not replaced or written to since: size, time and inode. */
export function stampOf(found: BigIntStats): string {
  return `${String(found.size)} ${String(found.mtimeNs)} ${String(found.ino)}`;
}

/** Reads the candidate; throws an AppError that says why it cannot be taken. */
export async function readItem(scope: ReadScope, candidate: Candidate): Promise<ReadPackage> {
  return candidate.kind === 'source' ? readSource(scope, candidate) : readBinary(scope, candidate);
}

/** Opens a regular file below the root and nothing else; throws `file-missing` and the like. */
async function withFile<T>(
  root: string,
  relative: string,
  work: (fd: number, found: BigIntStats) => Promise<T>,
): Promise<T> {
  let fd: number;
  try {
    // Not blocking: a FIFO must not hold us.
    fd = openSync(
      joinInside(root, relative),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (error) {
    throw openError(relative, error);
  }
  try {
    const found = fstatSync(fd, { bigint: true });
    if (!found.isFile()) throw new AppError('file-not-regular', `${relative} is not a regular file`);
    return await work(fd, found);
  } finally {
    closeSync(fd);
  }
}

/**
 * The file itself where a link stands for it, as aptly may publish; a link that leads out of the root is left as it
 * is, and refused when it is opened.
 */
function behindLink(root: string, relative: string): string {
  const file = joinInside(root, relative);
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return relative;
  try {
    const inside = path.relative(root, realpathSync(file));
    return inside.startsWith('../') ? relative : inside;
  } catch (error) {
    throw openError(relative, error);
  }
}

function openError(relative: string, error: unknown): unknown {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
    return new AppError('file-missing', `Can't stat ${relative}: No such file or directory`);
  }
  if (hasErrno(error, 'ELOOP')) return new AppError('file-not-regular', `${relative} is not a regular file`);
  if (!hasErrno(error, 'EACCES', 'EPERM', 'ENXIO', 'ENAMETOOLONG')) return error;
  return new AppError('file-unreadable', `${relative} cannot be read: ${(error as Error).message}`);
}

/** Sums of an open file; a small one's bytes stay in {@link buffer} for whoever calls. */
function hashOpen(fd: number, found: BigIntStats, name: string): Hashed {
  const size = Number(found.size);
  const stamp = stampOf(found);
  if (size <= WHOLE_BYTES) {
    const bytes = buffer.subarray(0, readFully(fd, buffer.subarray(0, size), 0));
    if (bytes.length !== size) throw changed(name);
    return {
      name,
      size,
      stamp,
      md5: hash('md5', bytes),
      sha1: hash('sha1', bytes),
      sha256: hash('sha256', bytes),
    };
  }
  const sums = { md5: createHash('md5'), sha1: createHash('sha1'), sha256: createHash('sha256') };
  const chunk = buffer.subarray(0, CHUNK_BYTES);
  let at = 0;
  while (at < size) {
    const length = readFully(fd, chunk, at);
    if (length === 0) throw changed(name);
    for (const sum of Object.values(sums)) sum.update(chunk.subarray(0, length));
    at += length;
  }
  const { md5, sha1, sha256 } = sums;
  return {
    name,
    size: at,
    stamp,
    md5: md5.digest('hex'),
    sha1: sha1.digest('hex'),
    sha256: sha256.digest('hex'),
  };
}

function readFully(fd: number, into: Buffer, position: number): number {
  let done = 0;
  while (done < into.length) {
    const length = readSync(fd, into, done, into.length - done, position + done);
    if (length === 0) break;
    done += length;
  }
  return done;
}

function changed(name: string): AppError {
  return new AppError('file-changed', `${name} changes while it is read`);
}

/** Holds a file to what an index or a .dsc says; the words people search for. */
function checkExpected(file: Hashed, expected: ExpectedFile, where: string): void {
  if (file.size !== expected.size) {
    throw new AppError(
      'file-size-differs',
      `File size for ${file.name} does not match that specified in ${where}`,
    );
  }
  for (const sum of ['md5', 'sha1', 'sha256'] as const) {
    const wanted = expected[sum];
    if (wanted !== undefined && wanted !== file[sum]) {
      throw new AppError(
        'file-sum-differs',
        `${sum}sum for ${file.name} does not match that specified in ${where}`,
      );
    }
  }
}

async function readBinary(scope: ReadScope, candidate: Candidate): Promise<ReadPackage> {
  const name = nameOf(candidate);
  const from = behindLink(scope.root, candidate.path);
  const { file, control, list } = await withFile(scope.root, from, async (fd, found) => {
    checkSizeFirst(name, found, candidate.expected);
    const hashed = hashOpen(fd, found, name);
    if (candidate.expected) checkExpected(hashed, candidate.expected, 'the index');
    const readAt = readerOf(fd, hashed.size);
    const members = await readDebMembers(readAt, hashed.size);
    const bytes = await readAt(members.control.offset, members.control.size);
    const read = await extractControl(members.control.name, bytes, unxz);
    const paths = scope.contents
      ? await readPaths(joinInside(scope.root, from), { readAt, data: members.data, size: hashed.size })
      : null;
    return { file: hashed, control: read, list: paths === null ? null : packList(paths) };
  });
  const component = candidate.component ?? componentOf(scope, control.paragraph.get('Section'));
  const ending = candidate.kind === 'udeb' ? 'udeb' : path.extname(name).slice(1);
  const place = poolPath(component, control.source, debFileName(control, ending));
  return {
    ...{ component, kind: candidate.kind, name: control.package, version: control.version },
    ...{ architecture: control.architecture, source: control.source, sourceVersion: control.sourceVersion },
    stanza: packagesStanza(control.paragraph, { ...file, path: `${productPool(scope.product)}/${place}` }),
    files: [{ from, stamp: file.stamp, path: place, size: file.size, sha256: file.sha256 }],
    list,
    override: overrideOf(control.paragraph, candidate),
  };
}

/** As it is called, whatever the place that holds it calls it. */
function nameOf({ path: place, files }: Candidate): string {
  const named = Object.entries(files ?? {}).find(([, each]) => each === place);
  return named?.[0] ?? path.basename(place);
}

/** Before a large file is read for nothing. */
function checkSizeFirst(name: string, found: BigIntStats, expected: ExpectedFile | null): void {
  const size = Number(found.size);
  if (expected && expected.size !== size) checkExpected({ ...EMPTY, name, size }, expected, 'the index');
}

/** From the bytes that {@link hashOpen} left, or from the file where it is large. */
function readerOf(fd: number, size: number): ReadAt {
  return (offset, length) => {
    const wanted = Math.max(0, Math.min(length, size - offset));
    if (size <= WHOLE_BYTES) return Promise.resolve(buffer.subarray(offset, offset + wanted));
    const bytes = Buffer.alloc(wanted);
    return Promise.resolve(bytes.subarray(0, readFully(fd, bytes, offset)));
  };
}

/** At once where the data member is small, by a stream and a child where it is not. */
async function readPaths(
  file: string,
  { readAt, data, size }: { readAt: ReadAt; data: ArMember; size: number },
): Promise<string[]> {
  const bytes = data.size <= SMALL_DATA_BYTES ? await readAt(data.offset, data.size) : null;
  const list = bytes === null ? null : readSmallList(data.name, bytes, SMALL_TAR_BYTES);
  return list ?? readFileList(file, size);
}

/** As `file_lists` keeps it. */
function packList(paths: readonly string[]): { count: number; packed: string } {
  return { count: paths.length, packed: packPaths(paths).toString('base64') };
}

async function unxz(bytes: Uint8Array): Promise<Uint8Array> {
  const { stdout } = await runChecked(['xz', '--decompress', '--stdout', `--memlimit=${XZ_MEMORY}`], {
    ...{ input: bytes, timeoutMs: XZ_TIMEOUT_MS, maxOutputBytes: CONTROL_TAR_MAX_BYTES },
  });
  return stdout;
}

/** `contrib/net` is of contrib where there is such a component; the rest is of the first one. */
function componentOf(scope: ReadScope, section: string | undefined): string {
  const prefix = section?.includes('/') === true ? section.slice(0, section.lastIndexOf('/')) : '';
  return scope.components.includes(prefix) ? prefix : (scope.components[0] ?? 'main');
}

/** What the archive says otherwise, in a form that an override may have. */
function overrideOf(control: Paragraph, { section, priority }: Candidate): ReadPackage['override'] {
  const differs = (name: string, given: string | null): given is string =>
    given !== null && control.get(name) !== given;
  return {
    section: differs('Section', section) && isOverrideSection(section) ? section : null,
    priority: differs('Priority', priority) && isOverridePriority(priority) ? priority : null,
  };
}

async function readSource(scope: ReadScope, candidate: Candidate): Promise<ReadPackage> {
  const folder = path.dirname(candidate.path);
  const { file, dsc } = await readDsc(scope, candidate);
  const files = [{ ...file, from: behindLink(scope.root, candidate.path) }];
  for (const listed of dsc.files) {
    const relative = behindLink(scope.root, candidate.files?.[listed.name] ?? path.join(folder, listed.name));
    const found = await withFile(scope.root, relative, (fd, stat) =>
      Promise.resolve(hashOpen(fd, stat, listed.name)),
    );
    checkExpected(found, listed, '.dsc');
    files.push({ ...found, from: relative });
  }
  const first = dsc.packageList.find((entry) => entry.name === dsc.source) ?? dsc.packageList[0];
  const archive = {
    section: candidate.section ?? first?.section ?? 'misc',
    priority: candidate.priority ?? first?.priority ?? 'optional',
  };
  const component = candidate.component ?? componentOf(scope, archive.section);
  const directory = `${productPool(scope.product)}/${sourceDirectory(component, dsc.source)}`;
  return {
    ...{ component, kind: 'source', name: dsc.source, version: dsc.version, architecture: 'source' },
    ...{ source: dsc.source, sourceVersion: dsc.version },
    stanza: sourcesStanza(dsc.paragraph, file, directory, archive),
    files: files
      .map(({ name, from, stamp, size, sha256 }) => {
        return { from, stamp, path: poolPath(component, dsc.source, name), size, sha256 };
      })
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
    list: scope.contentsSource ? await sourceList(scope, files) : null,
    override: { section: null, priority: null },
  };
}

/** Contents is a convenience: a source whose tars cannot be listed is still a source. */
async function sourceList(
  scope: ReadScope,
  files: readonly { from: string }[],
): Promise<ReadPackage['list']> {
  try {
    return packList(await readSourceList(files.map((file) => joinInside(scope.root, file.from))));
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

async function readDsc(scope: ReadScope, candidate: Candidate): Promise<{ file: Hashed; dsc: Dsc }> {
  const name = nameOf(candidate);
  const { file, text } = await withFile(scope.root, behindLink(scope.root, candidate.path), (fd, found) => {
    if (found.size > BigInt(MAX_DSC_BYTES))
      throw new AppError('dsc-invalid', `${name} is too large for a .dsc`);
    const hashed = hashOpen(fd, found, name);
    const bytes = Buffer.alloc(hashed.size);
    readFully(fd, bytes, 0);
    return Promise.resolve({ file: hashed, text: bytes.toString('utf8') });
  });
  if (candidate.expected) checkExpected(file, candidate.expected, 'the index');
  const dsc = parseDsc(text.startsWith('-----BEGIN PGP') ? readClearsigned(text).text : text);
  const expected = dscFileName(dsc.source, dsc.version);
  if (name !== expected) throw new AppError('dsc-name-disagrees', `${name} should be named ${expected}`);
  return { file, dsc };
}
