/** What a mirror needs of each stanza: which package it is and which files it names. */
import { archivePath } from '../../../shared/debian/archive-path.ts';
import { scanStanza } from '../../../shared/debian/stanza-stream.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Expected } from './fetch/download.ts';

/** A file that an index names; `path` is relative to the archive's address. */
export interface PoolFile extends Expected {
  path: string;
}

/** Of a binary package. */
export interface BinaryStanza {
  name: string;
  version: string;
  architecture: string;
  source: string;
  sourceVersion: string;
  section: string;
  priority: string;
  preDepends: string;
  depends: string;
  provides: string;
  file: PoolFile;
}

/** Of a source package. */
export interface SourceStanza {
  name: string;
  version: string;
  section: string;
  files: PoolFile[];
}

const BINARY_FIELDS = new Set([
  ...['package', 'version', 'architecture', 'source', 'section', 'priority', 'pre-depends', 'depends'],
  ...['provides', 'filename', 'size', 'sha256', 'sha512'],
]);
const SOURCE_FIELDS = new Set([
  ...['package', 'version', 'section', 'directory', 'checksums-sha256', 'checksums-sha512'],
]);

/** Names that the mirror needs for itself. */
const OWN_NAMES: ReadonlySet<string> = new Set(['dists', 'mirror-key.asc', 'mirror-key.gpg']);

function invalid(what: string): AppError {
  return new AppError('index-invalid', `The index ${what}`);
}

/** A path as it may lie in the mirror. Throws `index-invalid`. */
export function poolPath(text: string): string {
  const path = archivePath(text);
  if (path === null) throw invalid(`names a file by a path that is not taken: '${text.slice(0, 200)}'`);
  if (!OWN_NAMES.has(path.split('/')[0] ?? '')) return path;
  throw invalid(`names a file where none may lie: '${path}'`);
}

function sizeOf(text: string | undefined): number {
  if (text !== undefined && /^\d{1,13}$/.test(text)) return Number(text);
  throw invalid(`gives no size, or a bad one: '${(text ?? '').slice(0, 40)}'`);
}

function checksumOf(fields: ReadonlyMap<string, string>, path: string): string {
  const [sha256, sha512] = [fields.get('sha256') ?? '', fields.get('sha512') ?? ''];
  if (/^[0-9a-f]{64}$/.test(sha256)) return `sha256:${sha256}`;
  if (/^[0-9a-f]{128}$/.test(sha512)) return `sha512:${sha512}`;
  throw new AppError('mirror-sums-weak', `The index has no SHA256 of ${path}`);
}

function must(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name) ?? '';
  if (value === '') throw invalid(`has a stanza without ${name}`);
  return value;
}

/** Throws `index-invalid` and `mirror-sums-weak`. */
export function readBinaryStanza(text: string): BinaryStanza {
  const fields = scanStanza(text, BINARY_FIELDS);
  const [name, version] = [must(fields, 'package'), must(fields, 'version')];
  const path = poolPath(must(fields, 'filename'));
  const [, source = name, sourceVersion = version] =
    /^(\S+)(?:\s+\(([^)\s]+)\))?$/.exec(fields.get('source') ?? '') ?? [];
  return {
    ...{ name, version, source, sourceVersion, architecture: must(fields, 'architecture') },
    ...{ section: fields.get('section') ?? '', priority: fields.get('priority') ?? '' },
    ...{ preDepends: fields.get('pre-depends') ?? '', depends: fields.get('depends') ?? '' },
    provides: fields.get('provides') ?? '',
    file: { path, size: sizeOf(fields.get('size')), checksum: checksumOf(fields, path) },
  };
}

/** Throws `index-invalid` and `mirror-sums-weak`. */
export function readSourceStanza(text: string): SourceStanza {
  const fields = scanStanza(text, SOURCE_FIELDS);
  const name = must(fields, 'package');
  const directory = fields.get('directory') ?? '';
  const is256 = fields.has('checksums-sha256');
  const listed = fields.get(is256 ? 'checksums-sha256' : 'checksums-sha512');
  if (listed === undefined)
    throw new AppError('mirror-sums-weak', `The index has no SHA256 of ${name}'s files`);
  const files = listed
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): PoolFile => {
      const [sum = '', size, file = ''] = line.trim().split(/\s+/);
      const path = poolPath(directory === '' || directory === '.' ? file : `${directory}/${file}`);
      const fieldsOfFile = new Map([[is256 ? 'sha256' : 'sha512', sum]]);
      return { path, size: sizeOf(size), checksum: checksumOf(fieldsOfFile, path) };
    });
  return { name, version: must(fields, 'version'), section: fields.get('section') ?? '', files };
}
