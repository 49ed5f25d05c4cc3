/** Holds a source package to what the archive has already: its version, its files, its orig tarballs. */
import type { Dsc } from '../../../shared/debian/dsc.ts';
import type { ListedFile } from '../../../shared/debian/file-list.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { conflicts, directoriesWith, type AcceptedSource, type QueueVersion } from './archive.ts';
import type { UploadFiles } from './files.ts';
import { reject } from './rejection.ts';

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
  /** The queue that uploads enter. */
  target: string;
  /** What each queue holds of this source now. */
  queues: QueueVersion[];
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
    if (files.has(file.name)) {
      await files.check(file, '.dsc');
      await files.requireCompression(file.name);
    } else requireInArchive(question, file, entry);
    entries.push(entry);
  }
  const same = accepted.find(({ version }) => compareVersions(version, dsc.version) === 0);
  if (same && isSameContent(same.files, entries)) return { files: entries, isRepetition: true };
  requireHigherVersion(question);
  requireHigherInQueues(question);
  const changed = entries.find((entry) => conflicts(accepted, entry));
  if (changed) throw reject('file-exists', { file: changed.name, product });
  return { files: entries, isRepetition: false };
}

function requireInArchive(question: ArchiveQuestion, listed: ListedFile, entry: FileEntry): void {
  const { accepted, isLone } = question;
  const { name: file } = listed;
  if (!isOrig(file)) {
    throw isLone ? reject('file-missing', { file, list: '.dsc' }) : reject('file-unlisted', { file });
  }
  if (directoriesWith(accepted, entry).length > 0) return;
  throw conflicts(accepted, entry) ? reject('orig-differs', { file }) : reject('orig-missing', { file });
}

function requireHigherVersion({ product, dsc, accepted }: ArchiveQuestion): void {
  const [highest] = accepted;
  if (!highest || compareVersions(dsc.version, highest.version) > 0) return;
  const { source, version } = dsc;
  const present = highest.version;
  throw reject('version-not-higher', { source, version, place: product, target: product, present });
}

/** Nor may it be lower than what a queue holds that it can come to, however that got there. */
function requireHigherInQueues({ queues, target, dsc }: ArchiveQuestion): void {
  for (const { queue: place, version: present } of queues) {
    if (compareVersions(dsc.version, present) > 0) continue;
    const { source, version } = dsc;
    throw reject('version-not-higher', { source, version, place, target, present });
  }
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
