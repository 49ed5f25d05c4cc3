/** What was there when packages were built (.buildinfo): deb-buildinfo(5). */
import { AppError } from '../errors/app-error.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';
import { isArchitectureName, isPackageName } from './names.ts';
import { isValidVersion } from './version.ts';

/** More installed packages than any chroot that builds has. */
export const MAX_INSTALLED = 20_000;

/** One of `Installed-Build-Depends`: `libc6:i386 (= 2.36-9)`. */
export interface InstalledPackage {
  name: string;
  /** As written after the colon; null for the build architecture's and for arch:all. */
  architecture: string | null;
  version: string;
}

export interface Buildinfo {
  source: string;
  /** The source's version where `Source` gives it (a binNMU), else `version`. */
  sourceVersion: string;
  version: string;
  /** Architectures of what was built, `source` among them for a full build. */
  architectures: string[];
  /** The architecture it was built on. */
  buildArchitecture: string;
  /** As written, RFC 5322; null when it is not said. */
  buildDate: string | null;
  buildPath: string | null;
  tainted: string[];
  installed: InstalledPackage[];
  /** `NAME="value"` lines, unquoted. */
  environment: Record<string, string>;
  paragraph: Paragraph;
}

function invalid(field: string, value: string): AppError {
  return new AppError('buildinfo-invalid', `Field ${field} is not in the form: '${value.slice(0, 200)}'`, {
    detail: { field },
  });
}

function parseInstalled(entry: string): InstalledPackage {
  const [, name = '', architecture = null, version = ''] =
    /^([^\s:()]+)(?::([^\s:()]+))? \(= ([^\s()]+)\)$/.exec(entry) ?? [];
  const isInForm = isPackageName(name) && isValidVersion(version);
  if (!isInForm || (architecture !== null && !isArchitectureName(architecture))) {
    throw invalid('Installed-Build-Depends', entry);
  }
  return { name, architecture, version };
}

function parseEnvironment(lines: string[]): Record<string, string> {
  const environment = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const [, name, value] = /^([A-Za-z_]\w*)="(.*)"$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw invalid('Environment', line);
    environment[name] = value.replaceAll(/\\(.)/g, '$1');
  }
  return environment;
}

function parseSource(paragraph: Paragraph): Pick<Buildinfo, 'source' | 'sourceVersion' | 'version'> {
  const version = paragraph.require('Version');
  if (!isValidVersion(version)) throw invalid('Version', version);
  const text = paragraph.require('Source');
  const [, source = '', sourceVersion = version] = /^([^\s()]+)(?: \(([^\s()]+)\))?$/.exec(text) ?? [];
  if (!isPackageName(source) || !isValidVersion(sourceVersion)) throw invalid('Source', text);
  return { source, sourceVersion, version };
}

/**
 * Reads a .buildinfo; `text` is its content without OpenPGP armor. Checksums are the .changes' business.
 *
 * Throws `deb822-invalid`, `deb822-missing-field`, and `buildinfo-invalid` for a field that is not in the form.
 */
export function parseBuildinfo(text: string): Buildinfo {
  const paragraph = parseParagraph(text);
  const format = paragraph.require('Format');
  if (!/^[01]\.\d+$/.test(format)) throw invalid('Format', format);
  const entries = paragraph.list('Installed-Build-Depends');
  if (entries.length > MAX_INSTALLED) throw invalid('Installed-Build-Depends', `${entries.length} packages`);
  return {
    ...parseSource(paragraph),
    architectures: paragraph.words('Architecture'),
    buildArchitecture: paragraph.require('Build-Architecture'),
    buildDate: paragraph.get('Build-Date') ?? null,
    buildPath: paragraph.get('Build-Path') ?? null,
    tainted: paragraph.words('Build-Tainted-By'),
    installed: entries.map(parseInstalled),
    environment: parseEnvironment(paragraph.lines('Environment')),
    paragraph,
  };
}
