/** Which of the files that Release lists are mirrored, and in which forms. */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ReadRelease, ReleaseEntry } from '../../../shared/debian/read-release.ts';
import { isFiltered, type MirrorDefinition } from './definition.ts';
import { matchesGlob } from './filter.ts';

/** Endings in the order in which they are read here; plain last. bzip2 is left to clients of old. */
export const FORM_ENDINGS = ['.xz', '.zst', '.gz', '.lzma', ''] as const;
/** Larger than any index; sid's largest Contents has 30 MB as .gz. */
const MAX_INDEX_BYTES = 1024 ** 3;

/** An index with the forms in which the archive may have it. */
export interface MirrorIndex {
  suite: string;
  /** Relative to the suite's folder, without the ending of a compressed form. */
  path: string;
  /** What is in it: read here for `packages`, `sources` and `udebs`. */
  kind: 'packages' | 'udebs' | 'sources' | 'other';
  component: string;
  /** Of `packages` and `udebs`. */
  architecture: string | null;
  /** Size and sum of the unpacked text, when Release says. */
  plain: ReleaseEntry | null;
  /** What can be fetched, the best first. At least one. */
  forms: ReleaseEntry[];
}

/** What of a suite is held: as configured, or all that Release names. Throws what {@link selectIndexes} does. */
export function heldOf(
  { settings }: Pick<MirrorDefinition, 'settings'>,
  suite: string,
  release: Pick<ReadRelease, 'components' | 'architectures'>,
): { components: string[]; architectures: string[] } {
  const components = chosen(settings.components, release.components.map(withoutPrefix), (name) => {
    throw missing('component', name, suite, release.components);
  });
  const named = release.architectures.filter((name) => name !== 'all' && name !== 'source');
  const architectures = chosen(settings.architectures, named, (name) => {
    throw missing('architecture', name, suite, named);
  });
  return { components, architectures };
}

/** Throws `mirror-component-missing`, `mirror-architecture-missing` and `mirror-index-large`. */
export function selectIndexes(mirror: MirrorDefinition, suite: string, release: ReadRelease): MirrorIndex[] {
  const { settings } = mirror;
  const { components, architectures } = heldOf(mirror, suite, release);
  const find = (index: Omit<MirrorIndex, 'suite' | 'plain' | 'forms'>): MirrorIndex[] =>
    withForms(release, { suite, ...index });
  // What is written anew has English descriptions only.
  const languages = settings.translations.filter((each) => each === 'en' || !isFiltered(mirror));
  const found = components.flatMap((component) => [
    ...[...architectures, ...(readsAll(release) ? ['all'] : [])].flatMap((architecture) => [
      ...find({
        kind: 'packages',
        component,
        architecture,
        path: `${component}/binary-${architecture}/Packages`,
      }),
      ...(settings.udebs ? find(udebs(component, architecture)) : []),
    ]),
    ...(settings.sources
      ? find({ kind: 'sources', component, architecture: null, path: `${component}/source/Sources` })
      : []),
    ...languages.flatMap((language) =>
      find({
        kind: 'other',
        component,
        architecture: null,
        path: `${component}/i18n/Translation-${language}`,
      }),
    ),
  ]);
  return isFiltered(mirror) ? found : [...found, ...furtherIndexes(mirror, suite, release, found)];
}

function udebs(component: string, architecture: string): Omit<MirrorIndex, 'suite' | 'plain' | 'forms'> {
  const path = `${component}/debian-installer/binary-${architecture}/Packages`;
  return { kind: 'udebs', component, architecture, path };
}

/** Old security archives say `updates/main` for what lies in `main/`. */
function withoutPrefix(component: string): string {
  return component.replace(/^updates\//, '');
}

function chosen(wanted: string[], there: string[], onMissing: (name: string) => never): string[] {
  for (const name of wanted) if (!there.includes(name)) onMissing(name);
  return wanted.length > 0 ? wanted : there;
}

function missing(what: string, name: string, suite: string, there: string[]): AppError {
  return new AppError(`mirror-${what}-missing`, `'${suite}' of the archive has no ${what} '${name}'`, {
    hint: `It has: ${there.join(' ')}`,
  });
}

/** False where the index of `all` repeats what stands in every architecture's, and apt leaves it alone. */
function readsAll({ fields }: ReadRelease): boolean {
  return !fields.words('No-Support-for-Architecture-all').includes('Packages');
}

function withForms(release: ReadRelease, index: Omit<MirrorIndex, 'plain' | 'forms'>): MirrorIndex[] {
  const listed = FORM_ENDINGS.map((ending) => release.entries.get(index.path + ending));
  const plain = listed.at(-1) ?? null;
  const compressed = listed.slice(0, -1).filter((entry) => entry !== undefined);
  const forms = compressed.length > 0 ? compressed : plain ? [plain] : [];
  for (const form of [...forms, ...(plain ? [plain] : [])]) {
    if (form.size > MAX_INDEX_BYTES) {
      throw new AppError('mirror-index-large', `${form.path} is said to have ${String(form.size)} bytes`);
    }
  }
  return forms.length > 0 ? [{ ...index, plain, forms }] : [];
}

/** Whatever else is asked for by a pattern over its path without an ending. */
function furtherIndexes(
  { settings }: MirrorDefinition,
  suite: string,
  release: ReadRelease,
  found: readonly MirrorIndex[],
): MirrorIndex[] {
  if (settings.indexes.length === 0) return [];
  const known = new Set(found.map((index) => index.path));
  const paths = new Set(
    [...release.entries.keys()].map((path) => path.replace(/\.(?:xz|zst|gz|lzma|bz2)$/, '')),
  );
  return [...paths]
    .filter((path) => !known.has(path) && settings.indexes.some((glob) => matchesGlob(glob, path)))
    .flatMap((path) => {
      const component = path.split('/')[0] ?? '';
      return withForms(release, { suite, path, kind: 'other', component, architecture: null });
    });
}
