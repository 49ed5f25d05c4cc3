/** Holds a source package to what the archive has already: its version, its files, its orig tarballs. */
import type { Dsc } from '../../../shared/debian/dsc.ts';
import type { ListedFile } from '../../../shared/debian/file-list.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { conflicts, directoriesWith, type AcceptedSource } from './archive.ts';
import type { UploadFiles } from './files.ts';
import { Rejection } from './rejection.ts';

export interface ArchiveAnswer {
  files: FileEntry[];
  isRepetition: boolean;
}

export interface ArchiveQuestion {
  product: string;
  /** There is no .changes: what the .dsc lists and is not there has not come. */
  isLone: boolean;
  dsc: Dsc;
  /** The .dsc itself. */
  own: FileEntry;
  files: UploadFiles;
  /** Every version of this source, the highest first. */
  accepted: AcceptedSource[];
}

/** True for an orig tarball or its signature: what an upload may leave out when the archive has it. */
export function isOrig(name: string): boolean {
  return /\.orig(-[A-Za-z0-9-]+)?\.tar\.[a-z0-9]+(\.asc)?$/.test(name);
}

/**
 * Checks every file of the .dsc and the version. Rejects `file-missing`, `orig-missing`, sums and sizes,
 * `version-not-higher` and `file-exists`. The same content again is a repetition, never a rejection.
 */
export async function checkAgainstArchive(question: ArchiveQuestion): Promise<ArchiveAnswer> {
  const { product, dsc, own, files, accepted } = question;
  const entries = [own];
  for (const file of dsc.files) {
    const entry: FileEntry = { name: file.name, size: file.size, sha256: file.sha256 };
    if (files.has(file.name)) await files.check(file, '.dsc');
    else requireInArchive(question, file, entry);
    entries.push(entry);
  }
  const same = accepted.find(({ version }) => compareVersions(version, dsc.version) === 0);
  if (same && isSameContent(same.files, entries)) return { files: entries, isRepetition: true };
  requireHigherVersion(product, dsc, accepted[0]);
  const changed = entries.find((entry) => conflicts(accepted, entry));
  if (changed) {
    throw new Rejection(
      'file-exists',
      `File ${changed.name} already exists in ${product}, but uploaded version has different contents.`,
      { hint: 'Take the file from the archive, or give the new upstream content a version of its own.' },
    );
  }
  return { files: entries, isRepetition: false };
}

function requireInArchive({ accepted, isLone }: ArchiveQuestion, file: ListedFile, entry: FileEntry): void {
  if (!isOrig(file.name) && isLone) {
    throw new Rejection('file-missing', `Can't stat ${file.name}: No such file or directory`, {
      hint: 'Upload every file that the .dsc lists, the .dsc last.',
    });
  }
  if (!isOrig(file.name)) {
    throw new Rejection('file-missing', `Refers to non-existing file '${file.name}'`, {
      hint: 'The .dsc lists it; the upload must hold it and the .changes must list it.',
    });
  }
  if (directoriesWith(accepted, entry).length > 0) return;
  if (conflicts(accepted, entry)) {
    throw new Rejection(
      'checksum-mismatch',
      `sha256sum for ${file.name} does not match that specified in .dsc`,
      { hint: 'The archive has this orig tarball with other content; build with the one from the archive.' },
    );
  }
  throw new Rejection('orig-missing', `Refers to non-existing file '${file.name}'`, {
    hint: 'The archive does not have it; include it with: dpkg-buildpackage -S -sa',
  });
}

function requireHigherVersion(product: string, dsc: Dsc, highest: AcceptedSource | undefined): void {
  if (!highest || compareVersions(dsc.version, highest.version) > 0) return;
  throw new Rejection(
    'version-not-higher',
    `Version check failed: Your upload included the source package ${dsc.source}, version ${dsc.version}, ` +
      `however ${product} already has version ${highest.version}. ` +
      `Uploads to ${product} must have a higher version than present in ${product}.`,
    { hint: 'Add a changelog entry with a higher version: dch -i' },
  );
}

function isSameContent(a: FileEntry[], b: FileEntry[]): boolean {
  return namesAndSums(a) === namesAndSums(b);
}

function namesAndSums(files: FileEntry[]): string {
  return files
    .map(({ name, sha256 }) => `${name} ${sha256}`)
    .toSorted()
    .join('\n');
}
