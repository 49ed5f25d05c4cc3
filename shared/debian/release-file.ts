/** The `Release` file of one product in one queue, before it is signed. */
import { AppError } from '../errors/app-error.ts';
import { formatParagraph, Paragraph } from './deb822.ts';

/** An index, named relative to the folder of the Release file: `main/binary-amd64/Packages.xz`. */
export interface ReleaseIndex {
  path: string;
  /** Bytes. */
  size: number;
  /** Left out of `MD5Sum` when not given; only clients older than apt 1.1 want it. */
  md5?: string;
  sha256: string;
}

export interface ReleaseFacts {
  origin: string;
  label: string;
  suite: string;
  codename: string;
  date: Date;
  /** From then on clients refuse the file. */
  validUntil?: Date;
  architectures: readonly string[];
  components: readonly string[];
  description: string;
  /** Where apt finds changelogs, with `@CHANGEPATH@`; or `no`. */
  changelogs?: string;
  acquireByHash: boolean;
  /** Nothing from here is installed unless asked for. */
  notAutomatic?: boolean;
  /** But what was installed from here is upgraded. */
  butAutomaticUpgrades?: boolean;
  files: readonly ReleaseIndex[];
}

/** `Fri, 20 Nov 2026 07:44:37 UTC`: English words and UTC always, which is all that apt reads. */
export function releaseDate(date: Date): string {
  return date.toUTCString().replace(/GMT$/, 'UTC');
}

/** Wide enough for a size, so that the column of names is straight, as in Debian's. */
const SIZE_COLUMNS = 16;

function listField(
  files: readonly ReleaseIndex[],
  sumOf: (file: ReleaseIndex) => string | undefined,
): string {
  let text = '';
  for (const file of files) {
    const sum = sumOf(file);
    if (sum !== undefined) text += `\n ${sum} ${String(file.size).padStart(SIZE_COLUMNS)} ${file.path}`;
  }
  return text;
}

function checkPaths(files: readonly ReleaseIndex[]): void {
  const paths = new Set<string>();
  for (const { path } of files) {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.+~/-]*$/.test(path) || path.split('/').includes('..')) {
      throw new AppError('release-invalid', `'${path}' is not the path of an index`);
    }
    if (paths.has(path)) throw new AppError('release-invalid', `The index '${path}' comes twice`);
    paths.add(path);
  }
}

/**
 * The text of a Release file, files sorted by path so that the same facts give the same bytes.
 *
 * Throws `release-invalid` for a bad or repeated path and for a date that is none, `deb822-invalid` for a
 * value that would break out of its field.
 */
export function releaseFile(facts: ReleaseFacts): string {
  checkPaths(facts.files);
  const files = facts.files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  for (const date of [facts.date, facts.validUntil]) {
    if (date !== undefined && Number.isNaN(date.getTime()))
      throw new AppError('release-invalid', 'A date is invalid');
  }
  const paragraph = Paragraph.from([
    ['Origin', facts.origin],
    ['Label', facts.label],
    ['Suite', facts.suite],
    ['Codename', facts.codename],
    ['Date', releaseDate(facts.date)],
  ]);
  if (facts.validUntil !== undefined) paragraph.set('Valid-Until', releaseDate(facts.validUntil));
  if (facts.notAutomatic === true) paragraph.set('NotAutomatic', 'yes');
  if (facts.butAutomaticUpgrades === true) paragraph.set('ButAutomaticUpgrades', 'yes');
  if (facts.acquireByHash) paragraph.set('Acquire-By-Hash', 'yes');
  paragraph.set('Architectures', facts.architectures.join(' '));
  paragraph.set('Components', facts.components.join(' '));
  paragraph.set('Description', facts.description);
  if (facts.changelogs !== undefined) paragraph.set('Changelogs', facts.changelogs);
  const md5 = listField(files, (file) => file.md5);
  if (md5 !== '') paragraph.set('MD5Sum', md5);
  paragraph.set(
    'SHA256',
    listField(files, (file) => file.sha256),
  );
  return formatParagraph(paragraph);
}
