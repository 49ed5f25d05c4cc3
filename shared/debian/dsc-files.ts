/** Which files a source package consists of, by its format: dpkg-source(1). */
import { AppError } from '../errors/app-error.ts';
import type { ListedFile } from './file-list.ts';
import { parseVersion, withoutEpoch } from './version.ts';

export const SOURCE_FORMATS = ['1.0', '3.0 (native)', '3.0 (quilt)'] as const;
export type SourceFormat = (typeof SOURCE_FORMATS)[number];

/** What dpkg-source packs with; 1.0 knows gzip only. */
const COMPRESSIONS = 'gz|bz2|lzma|xz';

export interface SourceLayout {
  /** No orig tarball: the whole source is `main`. */
  native: boolean;
  /** The orig tarball, or the native package's only one. */
  main: ListedFile;
  /** Further orig tarballs (3.0 (quilt)), by component name. */
  components: { component: string; file: ListedFile }[];
  /** `.debian.tar.*` or `.diff.gz`; null for a native package. */
  packaging: ListedFile | null;
  /** `.asc` files of upstream, each beside an orig tarball of this package. */
  signatures: ListedFile[];
}

interface NamedFiles {
  source: string;
  version: string;
  format: SourceFormat;
  files: ListedFile[];
}

type Role =
  | { kind: 'main' | 'packaging' }
  | { kind: 'component'; component: string }
  | { kind: 'signature'; signed: string };

function unexpected(message: string): AppError {
  return new AppError('dsc-files-unexpected', message);
}

/** What an orig file name says after `<source>_<upstream version>`: `.orig.tar.xz`, `.orig-docs.tar.xz.asc`. */
function origRole(rest: string, name: string, compressions: string, hasComponents: boolean): Role | null {
  const match = new RegExp(`^\\.orig(?:-([A-Za-z0-9-]+))?\\.tar\\.(?:${compressions})(\\.asc)?$`).exec(rest);
  if (match === null) return null;
  const [, component, signature] = match;
  if (component !== undefined && !hasComponents) return null;
  if (signature !== undefined) return { kind: 'signature', signed: name.slice(0, -'.asc'.length) };
  return component === undefined ? { kind: 'main' } : { kind: 'component', component };
}

function roleOf(name: string, dsc: NamedFiles): Role | null {
  const version = parseVersion(dsc.version);
  const packaged = `${dsc.source}_${withoutEpoch(dsc.version)}`;
  const upstream = `${dsc.source}_${version.upstream}`;
  const compressions = dsc.format === '1.0' ? 'gz' : COMPRESSIONS;
  const isNative = new RegExp(`^\\.tar\\.(?:${compressions})$`);
  if (
    dsc.format !== '3.0 (quilt)' &&
    name.startsWith(packaged) &&
    isNative.test(name.slice(packaged.length))
  ) {
    return { kind: 'main' };
  }
  if (dsc.format === '3.0 (native)') return null;
  const ending =
    dsc.format === '1.0' ? /^\.diff\.gz$/ : new RegExp(`^\\.debian\\.tar\\.(?:${compressions})$`);
  if (name.startsWith(packaged) && ending.test(name.slice(packaged.length))) return { kind: 'packaging' };
  if (!name.startsWith(upstream)) return null;
  return origRole(name.slice(upstream.length), name, compressions, dsc.format === '3.0 (quilt)');
}

interface Gathered {
  main: ListedFile[];
  packaging: ListedFile[];
  components: { component: string; file: ListedFile }[];
  signatures: { signed: string; file: ListedFile }[];
}

function gather(dsc: NamedFiles): Gathered {
  const gathered: Gathered = { main: [], packaging: [], components: [], signatures: [] };
  for (const file of dsc.files) {
    const role = roleOf(file.name, dsc);
    if (role === null) {
      throw unexpected(
        `'${file.name}' does not belong to ${dsc.source} ${dsc.version} in format ${dsc.format}`,
      );
    }
    if (role.kind === 'component') gathered.components.push({ component: role.component, file });
    else if (role.kind === 'signature') gathered.signatures.push({ signed: role.signed, file });
    else gathered[role.kind].push(file);
  }
  return gathered;
}

/** Each component once, each signature beside its tarball. */
function checkCompanions(gathered: Gathered): void {
  const components = gathered.components.map(({ component }) => component);
  const twice = components.find((component, index) => components.indexOf(component) !== index);
  if (twice !== undefined) throw unexpected(`There are two orig tarballs for component '${twice}'`);
  const origs = new Set(
    [...gathered.main, ...gathered.components.map(({ file }) => file)].map((file) => file.name),
  );
  const stray = gathered.signatures.find(({ signed }) => !origs.has(signed));
  if (stray !== undefined) throw unexpected(`'${stray.file.name}' signs a file that is not there`);
}

/**
 * Sorts the files of a .dsc by what they are, holding every name to source, version and format as
 * dpkg-source does when it unpacks. Throws `dsc-files-unexpected`.
 */
export function expectedFilesOf(dsc: NamedFiles): SourceLayout {
  const gathered = gather(dsc);
  const [main] = gathered.main;
  const [packaging = null] = gathered.packaging;
  if (main === undefined) throw unexpected(`${dsc.source} ${dsc.version} has no tarball`);
  if (gathered.main.length > 1) throw unexpected(`${dsc.source} ${dsc.version} has several main tarballs`);
  if (gathered.packaging.length > 1) throw unexpected(`${dsc.source} ${dsc.version} has its packaging twice`);
  if (dsc.format === '3.0 (quilt)' && packaging === null) {
    throw unexpected(`${dsc.source} ${dsc.version} has no .debian.tar`);
  }
  checkCompanions(gathered);
  return {
    native: packaging === null && !main.name.includes('.orig.tar.'),
    main,
    components: gathered.components,
    packaging,
    signatures: gathered.signatures.map(({ file }) => file),
  };
}
