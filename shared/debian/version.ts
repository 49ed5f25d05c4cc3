/** Debian versions: Policy 5.6.12 and deb-version(7). */
import { AppError } from '../errors/app-error.ts';

/** A version goes into file names, and those end at 200 characters. */
export const VERSION_MAX_LENGTH = 180;
/** dpkg keeps the epoch in an int. */
const EPOCH_MAX = 2_147_483_647;

const UPSTREAM = /^[0-9][A-Za-z0-9.+~:-]*$/;
const REVISION = /^[A-Za-z0-9.+~]+$/;

export interface Version {
  /** 0 when not written. */
  epoch: number;
  upstream: string;
  /** null for a native version; dpkg compares it like `0`. */
  revision: string | null;
}

function parseEpoch(text: string): number | null {
  if (!/^[0-9]{1,10}$/.test(text)) return null;
  const epoch = Number(text);
  return epoch <= EPOCH_MAX ? epoch : null;
}

function tryParse(text: string): Version | null {
  if (text.length > VERSION_MAX_LENGTH) return null;
  const colon = text.indexOf(':');
  const epoch = colon === -1 ? 0 : parseEpoch(text.slice(0, colon));
  const rest = text.slice(colon + 1);
  const hyphen = rest.lastIndexOf('-');
  const upstream = hyphen === -1 ? rest : rest.slice(0, hyphen);
  const revision = hyphen === -1 ? null : rest.slice(hyphen + 1);
  if (epoch === null || !UPSTREAM.test(upstream)) return null;
  if (revision !== null && !REVISION.test(revision)) return null;
  return { epoch, upstream, revision };
}

/** The parts of a version; throws `version-invalid`. */
export function parseVersion(text: string): Version {
  const version = tryParse(text);
  if (version === null) {
    throw new AppError('version-invalid', `'${text.slice(0, VERSION_MAX_LENGTH)}' is not a Debian version`, {
      hint: 'Policy 5.6.12: [epoch:]upstream[-revision]; upstream starts with a digit',
    });
  }
  return version;
}

/** True for what dpkg takes without a warning. */
export function isValidVersion(text: string): boolean {
  return tryParse(text) !== null;
}

/** The version as in file names. Throws `version-invalid`. */
export function withoutEpoch(text: string): string {
  parseVersion(text);
  return text.slice(text.indexOf(':') + 1);
}

/** Order of one character in a non-digit part: `~`, then the end, then letters, then the others. */
function weight(character: string | undefined): number {
  if (character === undefined || /[0-9]/.test(character)) return 0;
  if (character === '~') return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

/** Compares runs of digits as numbers of any length. */
function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, '');
  const right = b.replace(/^0+/, '');
  if (left.length !== right.length) return left.length - right.length;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function compareNonDigits(a: string, b: string): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = weight(a[index]) - weight(b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Compares one part (upstream or revision): non-digits and digits by turns, as dpkg does. */
function comparePart(a: string, b: string): number {
  const left: string[] = a.match(/[^0-9]+|[0-9]+/g) ?? [];
  const right: string[] = b.match(/[^0-9]+|[0-9]+/g) ?? [];
  // Each list is made to start with a non-digit run, so that both are in step.
  if (/^[0-9]/.test(a)) left.unshift('');
  if (/^[0-9]/.test(b)) right.unshift('');
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const compare = index % 2 === 0 ? compareNonDigits : compareDigits;
    const difference = compare(left[index] ?? '', right[index] ?? '');
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Negative, 0 or positive as `a` is earlier than, equal to or later than `b`. Throws `version-invalid`. */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  return (
    left.epoch - right.epoch ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision ?? '', right.revision ?? '')
  );
}
