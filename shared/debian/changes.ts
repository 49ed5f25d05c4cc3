/** .changes files, format 1.8: deb-changes(5), Policy 5.5. */
import { AppError } from '../errors/app-error.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';
import { parseFileLists, type ListedFile } from './file-list.ts';
import { isArchitectureName, isPackageName } from './names.ts';
import { dscFileName } from './dsc.ts';
import { parseVersion, withoutEpoch } from './version.ts';

export interface ChangesFile extends ListedFile {
  section: string;
  priority: string;
}

export interface Changes {
  /** `1.8`. */
  format: string;
  /** The target suite as the uploader wrote it, one word. */
  distribution: string;
  source: string;
  /** The source package's version; differs from `version` for a binNMU only. */
  sourceVersion: string;
  /** As written: `source`, `all`, `amd64`, ... */
  architectures: string[];
  version: string;
  maintainer: string;
  /** `Changed-By`, or the maintainer where it is not given. */
  changedBy: string;
  date: string;
  /** The changelog entry with blank-line dots taken out and one leading space removed. */
  changes: string;
  /** Lower case, the first word: `medium`, ... `medium` when it is not given. */
  urgency: string;
  /** Bug numbers as written. */
  closes: string[];
  binaries: string[];
  files: ChangesFile[];
  /** The .dsc among the files; null for a binary-only upload. */
  dsc: ChangesFile | null;
  paragraph: Paragraph;
}

/** A suite name ends up in messages and lookups; dak and reprepro take no more than this. */
const DISTRIBUTION = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/;

function invalid(field: string, value: string): AppError {
  return new AppError('changes-invalid', `Field ${field} is not in the form: '${value.slice(0, 200)}'`, {
    detail: { field },
  });
}

function requireMatch(paragraph: Paragraph, field: string, test: (value: string) => boolean): string {
  const value = paragraph.require(field);
  if (!test(value)) throw invalid(field, value);
  return value;
}

/** `hello` or, for a binNMU, `hello (1.0-1)`. */
function parseSource(paragraph: Paragraph, version: string): { source: string; sourceVersion: string } {
  const text = paragraph.require('Source');
  const match = /^([^ ()]+)(?: \(([^ ()]+)\))?$/.exec(text);
  const source = match?.[1] ?? '';
  if (!isPackageName(source)) throw invalid('Source', text);
  const sourceVersion = match?.[2] ?? version;
  parseVersion(sourceVersion);
  return { source, sourceVersion };
}

function parseArchitectures(paragraph: Paragraph): string[] {
  paragraph.require('Architecture');
  const architectures = paragraph.words('Architecture');
  const bad = architectures.find((word) => !isArchitectureName(word));
  if (bad !== undefined) throw invalid('Architecture', bad);
  return architectures;
}

/** The .dsc that goes with `Architecture: source`: exactly one, named after source and version. */
function findDsc(files: ChangesFile[], isSourceful: boolean, expected: string): ChangesFile | null {
  const dscs = files.filter((file) => file.name.endsWith('.dsc'));
  const [dsc] = dscs;
  if (!isSourceful) {
    if (dsc === undefined) return null;
    throw new AppError('changes-invalid', `Lists '${dsc.name}' but Architecture does not name source`);
  }
  if (dsc === undefined || dscs.length > 1) {
    throw new AppError(
      'changes-invalid',
      `Architecture names source, so one .dsc must be listed, not ${dscs.length}`,
    );
  }
  if (dsc.name !== expected) {
    throw new AppError('file-name-conflict', `The .dsc is named '${dsc.name}', expected '${expected}'`);
  }
  return dsc;
}

/** Text of a multi-line field as its author wrote it. */
function unfold(value: string): string {
  const lines = value.split('\n').map((line) => (line.trim() === '.' ? '' : line.replace(/^[ \t]/, '')));
  const first = lines.findIndex((line) => line !== '');
  const last = lines.findLastIndex((line) => line !== '');
  return first === -1 ? '' : lines.slice(first, last + 1).join('\n');
}

function firstWord(text: string | undefined): string | undefined {
  return text?.split(/[ \t\n;]/)[0]?.toLowerCase();
}

/**
 * Reads a .changes; `text` is the signed content without OpenPGP armor.
 *
 * Throws `deb822-invalid`, `deb822-missing-field`, `changes-format-unsupported`, `changes-invalid` (a
 * field's form), `version-invalid`, `file-name-conflict` (the .dsc is not named after source and version),
 * and what {@link parseFileLists} throws: `checksums-incomplete`, `file-name-invalid`, ...
 */
export function parseChanges(text: string): Changes {
  const paragraph = parseParagraph(text);
  const format = paragraph.require('Format');
  if (format !== '1.8') {
    throw new AppError(
      'changes-format-unsupported',
      `.changes format '${format.slice(0, 40)}' is not supported, 1.8 is`,
    );
  }
  const version = paragraph.require('Version');
  parseVersion(version);
  const { source, sourceVersion } = parseSource(paragraph, version);
  const architectures = parseArchitectures(paragraph);
  const files = parseFileLists(paragraph, 2).map(({ extra, ...file }) => ({
    ...file,
    section: extra[0] ?? '-',
    priority: extra[1] ?? '-',
  }));
  if (files.length === 0) throw new AppError('changes-invalid', 'Lists no files');
  const maintainer = paragraph.require('Maintainer');
  return {
    format,
    distribution: requireMatch(paragraph, 'Distribution', (value) => DISTRIBUTION.test(value)),
    source,
    sourceVersion,
    architectures,
    version,
    maintainer,
    changedBy: paragraph.get('Changed-By') || maintainer,
    date: paragraph.require('Date'),
    changes: unfold(paragraph.require('Changes')),
    urgency: firstWord(paragraph.get('Urgency')) || 'medium',
    closes: paragraph.words('Closes'),
    binaries: paragraph.words('Binary'),
    files,
    dsc: findDsc(files, architectures.includes('source'), dscFileName(source, sourceVersion)),
    paragraph,
  };
}

/** True for `<source>_<version without epoch>_<anything>.changes`, the name that dpkg-genchanges writes. */
export function changesFileNameMatches(name: string, changes: Pick<Changes, 'source' | 'version'>): boolean {
  const start = `${changes.source}_${withoutEpoch(changes.version)}_`;
  return name.startsWith(start) && /^[a-zA-Z0-9.+~-]+\.changes$/.test(name.slice(start.length));
}
