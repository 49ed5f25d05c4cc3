/** What an index's stanza says of a package: where it lies and what it must be. */
import path from 'node:path';
import { archivePath } from '../../../shared/debian/archive-path.ts';
import { dscFileName } from '../../../shared/debian/dsc.ts';
import { scanStanza } from '../../../shared/debian/stanza-stream.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Candidate, ExpectedFile } from './candidate.ts';

const BINARY_FIELDS = new Set([
  'package',
  'filename',
  'size',
  'md5sum',
  'sha1',
  'sha256',
  'section',
  'priority',
]);
const SOURCE_FIELDS = new Set([
  ...[
    'package',
    'version',
    'directory',
    'files',
    'checksums-sha1',
    'checksums-sha256',
    'section',
    'priority',
  ],
]);
const SUM_FORM = { md5: /^[0-9a-f]{32}$/, sha1: /^[0-9a-f]{40}$/, sha256: /^[0-9a-f]{64}$/ };

type Fields = ReadonlyMap<string, string>;

/**
 * `index` is `main/binary-amd64/Packages` and the like, `base` what file names start from. Throws
 * `index-stanza-invalid` and `index-invalid`.
 */
export function candidateOf(text: string, index: string, base: string): Candidate {
  const isSource = index.endsWith('/Sources');
  const fields = scanStanza(text, isSource ? SOURCE_FIELDS : BINARY_FIELDS);
  const parts = index.split('/').slice(0, -2);
  const isInstaller = parts.at(-1) === 'debian-installer';
  const debug = parts.at(-1) === 'debug';
  return {
    ...(isSource ? sourceFile(fields, base) : binaryFile(fields, base, isInstaller)),
    component: path.posix.basename((isInstaller || debug ? parts.slice(0, -1) : parts).join('/')),
    section: fields.get('section') ?? null,
    priority: fields.get('priority') ?? null,
  };
}

function invalid(fields: Fields, what: string): AppError {
  return new AppError(
    'index-stanza-invalid',
    `The index's stanza of ${fields.get('package')?.slice(0, 80) ?? 'no package'} ${what}`,
  );
}

function placeOf(fields: Fields, base: string, name: string): string {
  const place = archivePath(name);
  if (place === null) throw invalid(fields, `has a path that is not taken: '${name.slice(0, 200)}'`);
  return path.posix.join(base, place);
}

function binaryFile(
  fields: Fields,
  base: string,
  isInstaller: boolean,
): Pick<Candidate, 'path' | 'kind' | 'expected'> {
  const expected = expectedFile(fields, fields.get('size'), {
    md5: fields.get('md5sum'),
    sha1: fields.get('sha1'),
    sha256: fields.get('sha256'),
  });
  const name = fields.get('filename') ?? '';
  const kind = isInstaller || name.endsWith('.udeb') ? 'udeb' : 'deb';
  return { path: placeOf(fields, base, name), kind, expected };
}

/** The .dsc; the source's other files are held to what it says itself. */
function sourceFile(fields: Fields, base: string): Pick<Candidate, 'path' | 'kind' | 'expected'> {
  const name = dscFileName(fields.get('package') ?? '', fields.get('version') ?? '');
  const lines = { md5: lineOf(fields, 'files', name), sha1: lineOf(fields, 'checksums-sha1', name) };
  const sha256 = lineOf(fields, 'checksums-sha256', name);
  const [size] = [sha256, lines.md5, lines.sha1]
    .map((line) => line?.size)
    .filter((each) => each !== undefined);
  const sums = { md5: lines.md5?.sum, sha1: lines.sha1?.sum, sha256: sha256?.sum };
  const directory = fields.get('directory') ?? '';
  return {
    path: placeOf(fields, base, directory === '' || directory === '.' ? name : `${directory}/${name}`),
    kind: 'source',
    expected: expectedFile(fields, size, sums),
  };
}

function lineOf(fields: Fields, field: string, name: string): { sum: string; size: string } | null {
  for (const line of (fields.get(field) ?? '').split('\n')) {
    const [sum, size, listed] = line.trim().split(/\s+/);
    if (listed === name && sum !== undefined && size !== undefined) return { sum, size };
  }
  return null;
}

function expectedFile(
  fields: Fields,
  size: string | undefined,
  sums: Record<'md5' | 'sha1' | 'sha256', string | undefined>,
): ExpectedFile {
  if (size === undefined || !/^[0-9]{1,13}$/.test(size)) throw invalid(fields, 'gives no size of its file');
  const expected: ExpectedFile = { size: Number(size) };
  for (const name of ['md5', 'sha1', 'sha256'] as const) {
    const sum = sums[name];
    if (sum === undefined) continue;
    if (!SUM_FORM[name].test(sum)) throw invalid(fields, `has a ${name} sum that is none`);
    expected[name] = sum;
  }
  if (expected.sha256 !== undefined || expected.sha1 !== undefined || expected.md5 !== undefined)
    return expected;
  throw invalid(fields, 'has no sum of its file');
}
