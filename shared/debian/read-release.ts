/** Reading the `Release` file of an archive that somebody else made; nothing in it is believed before its form is checked. */
import { AppError } from '../errors/app-error.ts';
import { CLOSED_PATH } from './archive-path.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';

/** sid's has some four thousand entries. */
const MAX_ENTRIES = 100_000;
/** Larger than any InRelease. */
const MAX_BYTES = 8 * 1024 * 1024;

/** MD5 and SHA-1 can be forged and count as nothing. */
const SUM_FIELDS = [
  { algorithm: 'sha256', field: 'SHA256', form: /^[0-9a-f]{64}$/ },
  { algorithm: 'sha512', field: 'SHA512', form: /^[0-9a-f]{128}$/ },
] as const;

/** One file that Release lists. */
export interface ReleaseEntry {
  /** Relative to the folder of the Release file. */
  path: string;
  /** Bytes. */
  size: number;
  /** Lower-case hexadecimal; at least one. */
  sha256?: string;
  sha512?: string;
}

export interface ReadRelease {
  fields: Paragraph;
  date: Date;
  validUntil: Date | null;
  acquireByHash: boolean;
  architectures: string[];
  components: string[];
  /** By path. */
  entries: Map<string, ReleaseEntry>;
}

function invalid(what: string): AppError {
  return new AppError('release-invalid', `The Release file ${what}`);
}

/**
 * Reads a Release file's text (of a verified signature). Throws `release-invalid`, `release-sums-weak` (MD5 or
 * SHA-1 only) and `deb822-invalid`.
 */
export function readRelease(text: string): ReadRelease {
  const fields = parseParagraph(text, { maxBytes: MAX_BYTES });
  const date = dateOf(fields, 'Date');
  if (date === null) throw invalid('has no Date');
  return {
    ...{ fields, date, validUntil: dateOf(fields, 'Valid-Until') },
    acquireByHash: fields.get('Acquire-By-Hash') === 'yes',
    architectures: fields.words('Architectures'),
    components: fields.words('Components'),
    entries: entriesOf(fields),
  };
}

/** RFC 2822 dates in UTC, as dpkg and apt write them. */
function dateOf(fields: Paragraph, name: string): Date | null {
  const text = fields.get(name);
  if (text === undefined) return null;
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw invalid(`has a ${name} that is no date: '${text.slice(0, 60)}'`);
  return date;
}

function entriesOf(fields: Paragraph): Map<string, ReleaseEntry> {
  const entries = new Map<string, ReleaseEntry>();
  for (const { algorithm, field, form } of SUM_FIELDS) {
    const lines = fields.lines(field);
    if (lines.length > MAX_ENTRIES) throw invalid(`lists more than ${String(MAX_ENTRIES)} files`);
    for (const line of lines) {
      const [sum = '', size = '', path = '', ...rest] = line.split(/[ \t]+/);
      if (rest.length > 0 || !form.test(sum) || !/^\d{1,15}$/.test(size) || !CLOSED_PATH.test(path)) {
        throw invalid(`has a malformed line in ${field}: '${line.slice(0, 200)}'`);
      }
      addSum(entries, { path, size: Number(size) }, algorithm, sum);
    }
  }
  if (entries.size > 0 || (!fields.has('MD5Sum') && !fields.has('SHA1'))) return entries;
  throw new AppError('release-sums-weak', 'The Release file has neither SHA256 nor SHA512 sums', {
    hint: 'MD5 and SHA-1 protect nobody; the archive must be signed anew with stronger sums.',
  });
}

/** One path has one size and one sum of a kind, in all lists. */
function addSum(
  entries: Map<string, ReleaseEntry>,
  file: { path: string; size: number },
  algorithm: 'sha256' | 'sha512',
  sum: string,
): void {
  const entry: ReleaseEntry = entries.get(file.path) ?? file;
  if (entry.size !== file.size || (entry[algorithm] ?? sum) !== sum) {
    throw invalid(`lists '${file.path}' twice, and differently`);
  }
  entry[algorithm] = sum;
  entries.set(file.path, entry);
}
