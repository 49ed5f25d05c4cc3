/**
 * The three lists of files in a .changes or .dsc (`Files`, `Checksums-Sha1`, `Checksums-Sha256`), read as
 * one. A file must be in all three with one size: a list that is silent about a file would let it pass
 * unchecked by whoever reads only that list.
 */
import { AppError } from '../errors/app-error.ts';
import { isFileName } from './names.ts';
import type { Paragraph } from './paragraph.ts';

/** The largest upload in Debian's history has some hundreds. */
export const MAX_LISTED_FILES = 2_000;

const FIELDS = { md5: 'Files', sha1: 'Checksums-Sha1', sha256: 'Checksums-Sha256' } as const;
type Sum = keyof typeof FIELDS;
const SUM_FORM = { md5: /^[0-9a-f]{32}$/, sha1: /^[0-9a-f]{40}$/, sha256: /^[0-9a-f]{64}$/ };

export interface ListedFile {
  name: string;
  /** Bytes. */
  size: number;
  /** Lower-case hexadecimal, as the others. */
  md5: string;
  sha1: string;
  sha256: string;
}

interface Line {
  sum: string;
  size: number;
  name: string;
  /** The columns between size and name: section and priority in a .changes. */
  extra: string[];
}

/** Throws `file-name-invalid` for a name with a path, a hidden file or anything else the archive refuses. */
export function requireFileName(name: string): string {
  if (isFileName(name)) return name;
  throw new AppError('file-name-invalid', `File name '${name.slice(0, 200)}' is not allowed`, {
    hint: 'A file name starts with a letter or digit and holds letters, digits and _ . ~ + - only',
  });
}

function parseLine(text: string, sumName: Sum, columns: number): Line {
  const field = FIELDS[sumName];
  const words = text.split(/[ \t]+/);
  const [sum = '', size = ''] = words;
  const name = words.at(-1) ?? '';
  if (words.length !== columns || !SUM_FORM[sumName].test(sum) || !/^[0-9]{1,15}$/.test(size)) {
    throw new AppError('file-list-invalid', `Field ${field} has a malformed line: '${text.slice(0, 300)}'`);
  }
  return { sum, size: Number(size), name: requireFileName(name), extra: words.slice(2, -1) };
}

function parseField(paragraph: Paragraph, sumName: Sum, columns: number): Map<string, Line> {
  const field = FIELDS[sumName];
  if (!paragraph.has(field)) {
    throw new AppError('checksums-incomplete', `Field ${field} is missing`, { detail: { field } });
  }
  const texts = paragraph.lines(field);
  if (texts.length > MAX_LISTED_FILES) {
    throw new AppError('file-list-invalid', `Field ${field} lists more than ${MAX_LISTED_FILES} files`);
  }
  const lines = new Map<string, Line>();
  for (const text of texts) {
    const line = parseLine(text, sumName, columns);
    if (lines.has(line.name)) {
      throw new AppError('file-listed-twice', `Field ${field} lists '${line.name}' twice`);
    }
    lines.set(line.name, line);
  }
  return lines;
}

/** The line for a name, held to the size that `Files` gives. */
function lineOf(lines: Map<string, Line>, name: string, size: number, sumName: Sum): Line {
  const field = FIELDS[sumName];
  const line = lines.get(name);
  if (line === undefined) {
    throw new AppError('checksums-incomplete', `Field ${field} does not list '${name}'`, {
      detail: { field, name },
    });
  }
  if (line.size !== size) {
    throw new AppError('checksums-conflict', `Fields Files and ${field} give different sizes for '${name}'`);
  }
  return line;
}

/**
 * The files of a paragraph in the order of `Files`, with the extra columns of that field.
 *
 * Throws `checksums-incomplete` (a field, or a file in one of them, is missing), `checksums-conflict`
 * (sizes differ), `file-name-invalid`, `file-listed-twice` and `file-list-invalid`.
 */
export function parseFileLists(
  paragraph: Paragraph,
  extraColumns: number,
): (ListedFile & { extra: string[] })[] {
  const md5 = parseField(paragraph, 'md5', 3 + extraColumns);
  const sha1 = parseField(paragraph, 'sha1', 3);
  const sha256 = parseField(paragraph, 'sha256', 3);
  for (const name of [...sha1.keys(), ...sha256.keys()]) {
    if (md5.has(name)) continue;
    throw new AppError('checksums-incomplete', `Field Files does not list '${name}'`, {
      detail: { field: 'Files', name },
    });
  }
  return Array.from(md5.values(), ({ name, size, sum, extra }) => ({
    name,
    size,
    md5: sum,
    sha1: lineOf(sha1, name, size, 'sha1').sum,
    sha256: lineOf(sha256, name, size, 'sha256').sum,
    extra,
  }));
}
