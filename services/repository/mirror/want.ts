/** What a mirror must hold: of a whole one every file that its indexes name, of a filtered one what is chosen. */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { IndexedPackage } from '../indexes/kinds/scope.ts';
import { isFiltered, type MirrorDefinition, type MirrorFilter } from './definition.ts';
import type { Expected } from './fetch/download.ts';
import { descriptionSum, holdsDescriptions, readDescriptions, withDescription } from './descriptions.ts';
import { UnmetCriteria } from './criteria.ts';
import { choose, isMeant, keyOf } from './filter.ts';
import { readFetched, type FetchedIndex } from './indexes.ts';
import { readBinaryStanza, readSourceStanza, type BinaryStanza, type PoolFile } from './stanzas.ts';

/** Debian with all its architectures has a million. */
const MAX_FILES = 2_000_000;

/** By path, relative to the mirror. */
export type WantedFiles = Map<string, Expected>;

export interface Wanted {
  files: WantedFiles;
  /** By suite, what stands in the indexes that are written here; null for a whole mirror. */
  packages: Map<string, IndexedPackage[]> | null;
  /** See `Choice.unmet`, and criteria as they are typed that nothing meets. */
  unmet: string[];
}

/** Reads the indexes. Throws `index-invalid`, `mirror-sums-weak`, `mirror-index-conflict` and `mirror-filter-empty`. */
export async function want(mirror: MirrorDefinition, indexes: readonly FetchedIndex[]): Promise<Wanted> {
  const files: WantedFiles = new Map();
  if (isFiltered(mirror)) return wantChosen(mirror.settings.filter, indexes, files);
  for (const index of indexes) {
    if (index.kind === 'other') continue;
    await readFetched(index, (text) => {
      const named = index.kind === 'sources' ? readSourceStanza(text).files : [readBinaryStanza(text).file];
      for (const file of named) addFile(files, file);
    });
  }
  return { files, packages: null, unmet: [] };
}

function addFile(files: WantedFiles, { path, size, checksum }: PoolFile): void {
  const known = files.get(path);
  if (known === undefined) {
    if (files.size >= MAX_FILES) {
      throw new AppError('index-invalid', `The indexes name more than ${String(MAX_FILES)} files`);
    }
    files.set(path, { size, checksum });
  } else if (known.size !== size || known.checksum !== checksum) {
    throw new AppError('mirror-index-conflict', `The archive's indexes disagree about ${path}`);
  }
}

async function wantChosen(
  filter: MirrorFilter,
  indexes: readonly FetchedIndex[],
  files: WantedFiles,
): Promise<Wanted> {
  const { keys, unmet } = await chooseKeys(filter, indexes);
  const chosen = new Chosen(filter, keys, files);
  for (const index of indexes.filter(({ kind }) => kind === 'packages' || kind === 'udebs')) {
    await readFetched(index, (text) => chosen.takeBinary(index, text));
  }
  // Which sources belong to them is known now.
  for (const index of indexes.filter(({ kind }) => kind === 'sources')) {
    await readFetched(index, (text) => chosen.takeSource(index, text));
  }
  requireSome(files, chosen.unmetCriteria);
  await chosen.describe(indexes.filter(holdsDescriptions));
  const suites = new Set(indexes.map(({ suite }) => suite));
  const packages = new Map([...suites].map((suite) => [suite, chosen.of(suite)]));
  return { files, packages, unmet: [...chosen.unmetCriteria, ...unmet] };
}

/** A mistyped filter must not empty a mirror that clients use. */
function requireSome(files: WantedFiles, criteria: readonly string[]): void {
  if (files.size > 0) return;
  const what = criteria.length > 0 ? criteria.join(', ') : 'all criteria together';
  throw new AppError('mirror-filter-empty', `No package of the archive is meant by ${what}`, {
    hint: 'Change the filter: autobuilder mirror set NAME --package ...; `--package all` takes that limit back.',
  });
}

/** For each architecture, over all suites: a dependency may be met by another suite. */
async function chooseKeys(
  filter: MirrorFilter,
  indexes: readonly FetchedIndex[],
): Promise<{ keys: Set<string>; unmet: string[] }> {
  const packages = indexes.filter(({ kind }) => kind === 'packages');
  const named = new Set(packages.map(({ architecture }) => architecture).filter((each) => each !== 'all'));
  const keys = new Set<string>();
  const unmet = new Set<string>();
  for (const architecture of named.size > 0 ? named : ['all']) {
    const stanzas: BinaryStanza[] = [];
    for (const index of packages) {
      if (index.architecture !== architecture && index.architecture !== 'all') continue;
      await readFetched(index, (text) => stanzas.push(readBinaryStanza(text)));
    }
    const choice = choose(stanzas, filter);
    for (const key of choice.keys) keys.add(key);
    for (const each of choice.unmet) unmet.add(each);
  }
  return { keys, unmet: [...unmet].toSorted() };
}

/** Gathers what is chosen, once for each suite and component. */
class Chosen {
  readonly #filter: MirrorFilter;
  readonly #keys: ReadonlySet<string>;
  readonly #files: WantedFiles;
  readonly #sources = new Set<string>();
  readonly #criteria: UnmetCriteria;
  readonly #bySuite = new Map<string, Map<string, IndexedPackage>>();

  constructor(filter: MirrorFilter, keys: ReadonlySet<string>, files: WantedFiles) {
    this.#filter = filter;
    this.#criteria = new UnmetCriteria(filter);
    this.#keys = keys;
    this.#files = files;
  }

  get unmetCriteria(): string[] {
    return this.#criteria.left;
  }

  of(suite: string): IndexedPackage[] {
    return [...(this.#bySuite.get(suite)?.values() ?? [])];
  }

  takeBinary(index: FetchedIndex, text: string): void {
    const stanza = readBinaryStanza(text);
    this.#criteria.see(stanza);
    const kind = index.kind === 'udebs' ? 'udeb' : 'deb';
    const isChosen = kind === 'udeb' ? isMeant(this.#filter, stanza) : this.#keys.has(keyOf(stanza));
    if (!isChosen) return;
    this.#sources.add(`${stanza.source} ${stanza.sourceVersion}`);
    addFile(this.#files, stanza.file);
    const { name, version, architecture } = stanza;
    this.#add(index, { kind, name, version, architecture, stanza: text });
  }

  /** The sources of what is chosen, and those that the patterns mean by name when nothing else is asked. */
  takeSource(index: FetchedIndex, text: string): void {
    const { name, version, section, files } = readSourceStanza(text);
    this.#criteria.see({ name, section, priority: null });
    const isOf = this.#sources.has(`${name} ${version}`);
    if (!isOf && !isMeant(this.#filter, { name, section, priority: null })) return;
    for (const file of files) addFile(this.#files, file);
    this.#add(index, { kind: 'source', name, version, architecture: 'source', stanza: text });
  }

  /** Puts the long descriptions back that the archive keeps elsewhere. */
  async describe(indexes: readonly FetchedIndex[]): Promise<void> {
    const packages = [...this.#bySuite.values()].flatMap((own) => [...own.values()]);
    const sums = new Set(packages.map(({ stanza }) => descriptionSum(stanza)).filter((sum) => sum !== null));
    const descriptions = await readDescriptions(indexes, sums);
    for (const each of packages) each.stanza = withDescription(each.stanza, descriptions);
  }

  #add(index: FetchedIndex, each: Omit<IndexedPackage, 'id' | 'component'>): void {
    const own = this.#bySuite.get(index.suite) ?? new Map<string, IndexedPackage>();
    this.#bySuite.set(index.suite, own);
    const id = `${index.component} ${each.kind} ${keyOf(each)}`;
    own.set(id, { id, component: index.component, ...each });
  }
}
