/** Source control files (.dsc): dsc(5), Policy 5.4. */
import { AppError } from '../errors/app-error.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';
import { expectedFilesOf, SOURCE_FORMATS, type SourceFormat, type SourceLayout } from './dsc-files.ts';
import { isArchitectureName, isPackageName } from './names.ts';
import { parseFileLists, type ListedFile } from './file-list.ts';
import { parseVersion, withoutEpoch } from './version.ts';

export { expectedFilesOf, type SourceFormat, type SourceLayout } from './dsc-files.ts';

/** One line of `Package-List`: `hello deb devel optional arch=any`. */
export interface PackageListEntry {
  name: string;
  /** `deb` or `udeb`. */
  type: string;
  section: string;
  priority: string;
  /** Words of `arch=`; empty when it is not given. */
  architectures: string[];
  /** Every `key=value`, with `arch`, `profile`, `essential`, ... */
  attributes: Record<string, string>;
}

/** Relation fields as written, joined to one line; empty when the field is missing. */
export interface BuildRelations {
  buildDepends: string;
  buildDependsArch: string;
  buildDependsIndep: string;
  buildConflicts: string;
  buildConflictsArch: string;
  buildConflictsIndep: string;
}

export interface Dsc extends BuildRelations {
  format: SourceFormat;
  source: string;
  /** As written. */
  version: string;
  binaries: string[];
  /** As written: `any`, `all`, `linux-any`, `amd64`, ... */
  architectures: string[];
  maintainer: string;
  uploaders: string[];
  packageList: PackageListEntry[];
  testsuite: string[];
  files: ListedFile[];
  /** The files by what they are. */
  layout: SourceLayout;
  /** Orig tarballs, the main one first; empty for a native package. An upload may leave these out. */
  origTarballs: ListedFile[];
  paragraph: Paragraph;
}

function invalid(field: string, value: string): AppError {
  return new AppError('dsc-invalid', `Field ${field} is not in the form: '${value.slice(0, 200)}'`, {
    detail: { field },
  });
}

function parseFormat(paragraph: Paragraph): SourceFormat {
  const text = paragraph.require('Format');
  const format = SOURCE_FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  throw new AppError('dsc-format-unsupported', `Source format '${text.slice(0, 40)}' is not supported`, {
    hint: `Use one of ${SOURCE_FORMATS.join(', ')}`,
  });
}

function parsePackageListLine(line: string): PackageListEntry {
  const [name = '', type = '', section = '', priority = '', ...rest] = line.split(/[ \t]+/);
  const isComplete = [type, section, priority].every((word) => /^[^=]+$/.test(word));
  if (!isComplete || !isPackageName(name)) throw invalid('Package-List', line);
  const attributes: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const word of rest) {
    const equals = word.indexOf('=');
    if (equals <= 0) throw invalid('Package-List', line);
    attributes[word.slice(0, equals)] = word.slice(equals + 1);
  }
  const architectures = attributes['arch']?.split(',').filter((word) => word !== '') ?? [];
  return { name, type, section, priority, architectures, attributes };
}

/** `A <a@b>, B <c@d>`; a comma within a name does not part it. */
function parseUploaders(paragraph: Paragraph): string[] {
  const parts = paragraph
    .lines('Uploaders')
    .join(' ')
    .split(/>[ \t]*,/);
  const uploaders = parts.map((part, index) => (index < parts.length - 1 ? `${part}>` : part).trim());
  return uploaders.filter((uploader) => uploader !== '' && uploader !== ',');
}

function relations(paragraph: Paragraph): BuildRelations {
  const field = (name: string): string => paragraph.lines(name).join(' ');
  return {
    buildDepends: field('Build-Depends'),
    buildDependsArch: field('Build-Depends-Arch'),
    buildDependsIndep: field('Build-Depends-Indep'),
    buildConflicts: field('Build-Conflicts'),
    buildConflictsArch: field('Build-Conflicts-Arch'),
    buildConflictsIndep: field('Build-Conflicts-Indep'),
  };
}

function parseNames(paragraph: Paragraph): Pick<Dsc, 'source' | 'version' | 'binaries' | 'architectures'> {
  const source = paragraph.require('Source');
  if (!isPackageName(source)) throw invalid('Source', source);
  const version = paragraph.require('Version');
  parseVersion(version);
  const binaries = paragraph.list('Binary');
  const badBinary = binaries.find((name) => !isPackageName(name));
  if (badBinary !== undefined) throw invalid('Binary', badBinary);
  paragraph.require('Architecture');
  const architectures = paragraph.words('Architecture');
  const badArchitecture = architectures.find((word) => !isArchitectureName(word));
  if (badArchitecture !== undefined) throw invalid('Architecture', badArchitecture);
  return { source, version, binaries, architectures };
}

/**
 * Reads a .dsc; `text` is its content without OpenPGP armor.
 *
 * Throws `deb822-invalid`, `deb822-missing-field`, `dsc-format-unsupported`, `dsc-invalid` (a field's
 * form), `version-invalid`, `dsc-files-unexpected` ({@link expectedFilesOf}) and what `parseFileLists`
 * throws: `checksums-incomplete`, `file-name-invalid`, ...
 */
export function parseDsc(text: string): Dsc {
  const paragraph = parseParagraph(text);
  const format = parseFormat(paragraph);
  const names = parseNames(paragraph);
  const files = parseFileLists(paragraph, 0).map(({ extra: _none, ...file }) => file);
  const layout = expectedFilesOf({ ...names, format, files });
  const origs = [layout.main, ...layout.components.map(({ file }) => file)];
  return {
    format,
    ...names,
    maintainer: paragraph.require('Maintainer'),
    uploaders: parseUploaders(paragraph),
    ...relations(paragraph),
    packageList: paragraph.lines('Package-List').map(parsePackageListLine),
    testsuite: paragraph.list('Testsuite'),
    files,
    layout,
    origTarballs: layout.native ? [] : origs,
    paragraph,
  };
}

/** The name dpkg-source gives a .dsc: source and version without epoch. */
export function dscFileName(source: string, version: string): string {
  return `${source}_${withoutEpoch(version)}.dsc`;
}
