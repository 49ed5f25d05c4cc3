/** Stanzas of `Packages` and `Sources`; the same fields, order and sums as `apt-ftparchive`. */
import { AppError } from '../errors/app-error.ts';
import { formatParagraph, type Paragraph } from './deb822.ts';
import { parseFileLists, type ListedFile } from './file-list.ts';
import { inOrder, PACKAGES_ORDER, SOURCES_ORDER } from './stanza-order.ts';

export { releaseFile, type ReleaseFacts, type ReleaseIndex } from './release-file.ts';

/** Relative, of harmless names: apt joins it to the repository's address. */
const ARCHIVE_PATH = /^(?:[a-zA-Z0-9][a-zA-Z0-9_.~+-]*\/)*[a-zA-Z0-9][a-zA-Z0-9_.~+-]*$/;

/** A file in the pool; sums in lower-case hexadecimal. */
export interface PoolFile {
  /** Relative to the repository's root: `pool/bookworm/main/h/hello/hello_1.0-1_amd64.deb`. */
  path: string;
  /** Bytes. */
  size: number;
  md5: string;
  sha1: string;
  sha256: string;
}

function requireArchivePath(path: string): string {
  if (ARCHIVE_PATH.test(path)) return path;
  throw new AppError('pool-path-invalid', `'${path}' is not a path within a repository`);
}

/** What a package says of itself that only the archive may say. */
const ARCHIVE_FIELDS = [
  'Status',
  'Filename',
  'Size',
  'MD5sum',
  'SHA1',
  'SHA256',
  'SHA512',
  'Description-md5',
];

/** One binary's stanza, without the empty line after it. Throws `pool-path-invalid`, `deb822-missing-field`. */
export function packagesStanza(control: Paragraph, file: PoolFile): string {
  control.require('Package');
  const stanza = control.clone();
  for (const name of ARCHIVE_FIELDS) stanza.delete(name);
  stanza.set('Filename', requireArchivePath(file.path));
  stanza.set('Size', String(file.size));
  stanza.set('MD5sum', file.md5).set('SHA1', file.sha1).set('SHA256', file.sha256);
  return formatParagraph(inOrder(stanza, PACKAGES_ORDER));
}

function listField(files: readonly ListedFile[], sum: 'md5' | 'sha1' | 'sha256'): string {
  return files.map((file) => `\n ${file[sum]} ${file.size} ${file.name}`).join('');
}

/**
 * One source's stanza, without the empty line after it: the .dsc's fields with `Package` for `Source`, the
 * .dsc itself first among the files, and where they lie.
 *
 * `dsc` is the paragraph without armor, `dscFile` the .dsc as it lies in the pool, `directory` relative to
 * the repository's root. Throws `pool-path-invalid` and what `parseFileLists` throws.
 */
export function sourcesStanza(
  dsc: Paragraph,
  dscFile: ListedFile,
  directory: string,
  archive: { section: string; priority: string },
): string {
  const listed = parseFileLists(dsc, 0).filter((file) => file.name !== dscFile.name);
  const files: ListedFile[] = [dscFile, ...listed];
  const stanza = dsc.clone();
  for (const name of ['Source', 'Status', 'Checksums-Sha512', 'Checksums-Md5']) stanza.delete(name);
  stanza.set('Package', dsc.require('Source'));
  stanza.set('Section', archive.section).set('Priority', archive.priority);
  stanza.set('Directory', requireArchivePath(directory));
  stanza.set('Files', listField(files, 'md5'));
  stanza.set('Checksums-Sha1', listField(files, 'sha1'));
  stanza.set('Checksums-Sha256', listField(files, 'sha256'));
  return formatParagraph(inOrder(stanza, SOURCES_ORDER));
}
