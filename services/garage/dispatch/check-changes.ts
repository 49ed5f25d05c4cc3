/** Whether what a host built is what it was told to build; pure. */
import type { Changes } from '../../../shared/debian/changes.ts';
import { changesFileNameMatches } from '../../../shared/debian/changes.ts';
import { AppError, unreachable } from '../../../shared/errors/app-error.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import type { AttemptRow } from './rows.ts';

type Expected = Pick<AttemptRow, 'source' | 'version' | 'architecture' | 'binaries'>;

const BINARY = /\.(deb|udeb|ddeb)$/;
const KNOWN = /\.(deb|udeb|ddeb|changes|buildinfo)$/;
/** Linux has about 100 binaries a build; nothing in Debian has a tenth of this. */
const MAX_FILES = 5_000;
/** The largest builds in Debian (debug symbols of a browser) have a few GiB. */
const MAX_TOTAL_BYTES = 32 * 1024 ** 3;
/** It is read whole; thousands of packages with their descriptions fit. */
const MAX_CHANGES_BYTES = 16 * 1024 ** 2;

export function isBinary(name: string): boolean {
  return BINARY.test(name);
}

function wrong(message: string): AppError {
  return new AppError('result-wrong', message);
}

/**
 * The one .changes among the files that a host promises, before any is fetched. Throws `result-wrong` for
 * names of another kind, names given twice, too many, or too large.
 */
export function checkPromised(files: readonly FileEntry[]): FileEntry {
  if (files.length > MAX_FILES) throw wrong(`The host promises ${String(files.length)} files`);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > MAX_TOTAL_BYTES) throw wrong(`The host promises ${String(total)} bytes`);
  const names = new Set(files.map((file) => file.name));
  if (names.size !== files.length) throw wrong('The host promises a file twice');
  const strange = files.find((file) => !KNOWN.test(file.name));
  if (strange) throw wrong(`'${strange.name}' is no result of a build`);
  const [changes, second] = files.filter((file) => file.name.endsWith('.changes'));
  if (!changes || second) throw wrong('A result has exactly one .changes');
  if (changes.size > MAX_CHANGES_BYTES) throw wrong(`'${changes.name}' has ${String(changes.size)} bytes`);
  if (!files.some((file) => isBinary(file.name))) throw wrong('A successful build has at least one package');
  return changes;
}

/**
 * Holds the .changes to the source that was sent and to the files that came. Throws `result-wrong`.
 */
export function checkChanges(
  changes: Changes,
  changesName: string,
  files: readonly FileEntry[],
  expected: Expected,
): void {
  if (changes.source !== expected.source) {
    throw wrong(`${changesName} is of source '${changes.source}', not '${expected.source}'`);
  }
  if (changes.version !== expected.version || changes.sourceVersion !== expected.version) {
    throw wrong(`${changesName} is of version '${changes.version}', not '${expected.version}'`);
  }
  if (!changesFileNameMatches(changesName, changes))
    throw wrong(`'${changesName}' is not named after its content`);
  const allowed = allowedArchitectures(expected);
  const strange = changes.architectures.find((architecture) => !allowed.includes(architecture));
  if (strange) throw wrong(`${changesName} is of architecture '${strange}', not '${allowed.join("' or '")}'`);
  checkListed(changes, changesName, files);
  for (const { name } of files.filter((file) => isBinary(file.name))) checkBinaryName(name, allowed);
}

function allowedArchitectures({ architecture, binaries }: Expected): string[] {
  switch (binaries) {
    case 'any':
      return [architecture];
    case 'all':
      return ['all'];
    case 'both':
      return [architecture, 'all'];
    default:
      return unreachable(binaries);
  }
}

/** The same files with the same sums on both lists, but for the .changes, which cannot list itself. */
function checkListed(changes: Changes, changesName: string, files: readonly FileEntry[]): void {
  const listed = new Map(changes.files.map((file) => [file.name, file]));
  for (const file of files) {
    if (file.name === changesName) continue;
    const line = listed.get(file.name);
    if (!line) throw wrong(`'${file.name}' is not in ${changesName}`);
    if (line.sha256 !== file.sha256 || line.size !== file.size) {
      throw wrong(`'${file.name}' is not as ${changesName} says`);
    }
    listed.delete(file.name);
  }
  const [missing] = listed.keys();
  if (missing !== undefined) throw wrong(`'${missing}' of ${changesName} did not come`);
}

/** `<package>_<version>_<architecture>.deb`; what is inside the repository checks. */
function checkBinaryName(name: string, allowed: readonly string[]): void {
  const parts = name.replace(BINARY, '').split('_');
  if (parts.length !== 3 || !allowed.includes(parts[2] ?? '')) {
    throw wrong(`'${name}' is not of architecture '${allowed.join("' or '")}'`);
  }
}
