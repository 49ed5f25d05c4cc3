/** Writes a generation's folder: of a whole mirror the archive's own files, of a filtered one ours. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeDated } from '../../../shared/files/whole-folder.ts';
import type { Repository } from '../context.ts';
import { isFiltered, type MirrorDefinition } from './definition.ts';
import { byHashPaths, type FetchedIndex } from './indexes.ts';
import type { MirrorPlaces } from './places.ts';
import type { MirrorRelease } from './release.ts';
import { writeReindexed } from './reindex.ts';
import { generationFolder, linkInto, takeOverByHash, writeNote } from './tree.ts';
import type { Wanted } from './want.ts';

export interface GenerationWork {
  mirror: MirrorDefinition;
  places: MirrorPlaces;
  releases: readonly MirrorRelease[];
  indexes: readonly FetchedIndex[];
  wanted: Wanted;
  number: number;
  /** Of the generation before, or null. */
  date: Date;
  /** Generations that went out of use since then still count. */
  sinceMs: number;
}

/** Changes whenever the generation would be another one. */
export function inputOf(
  repository: Pick<Repository, 'config' | 'signer'>,
  { mirror, releases, indexes }: Pick<GenerationWork, 'mirror' | 'releases' | 'indexes'>,
): string {
  const { compression, plainIndexes, md5, translations } = repository.config;
  const own = isFiltered(mirror)
    ? {
        filter: mirror.settings.filter,
        compression,
        translations,
        plainIndexes,
        md5,
        key: repository.signer.publicKey.fingerprint,
      }
    : null;
  const facts = {
    own,
    releases: releases.map(({ suite, sha256, files }) => [suite, sha256, [...files.keys()]]),
    indexes: indexes.map(({ suite, files }) => [suite, files.map(({ entry }) => entry.path)]),
  };
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

/** Writes it whole and durable, its note last. */
export async function writeGeneration(repository: Repository, work: GenerationWork): Promise<void> {
  const { places, number } = work;
  const folder = generationFolder(places, number);
  await rm(folder, { recursive: true, force: true });
  for (const release of work.releases) {
    const suiteFolder = path.join(folder, release.suite);
    await mkdir(suiteFolder, { recursive: true });
    if (work.wanted.packages === null) await writeOriginal(work, release, suiteFolder);
    else await writeOwn(repository, work, release, suiteFolder);
    await repository.step('mirror-suite-written');
  }
  const byHash = await byHashBelow(folder);
  await takeOverByHash(places, folder, work.sinceMs);
  await repository.step('mirror-generation-written');
  const input = inputOf(repository, work);
  await writeNote(places, { number, atMs: repository.now().getTime(), input, byHash });
}

async function writeOriginal(work: GenerationWork, release: MirrorRelease, folder: string): Promise<void> {
  for (const index of work.indexes.filter(({ suite }) => suite === release.suite)) {
    for (const { entry, file } of index.files) {
      await linkInto(file, path.join(folder, entry.path));
      if (!release.release.acquireByHash) continue;
      for (const name of byHashPaths(entry)) await linkInto(file, path.join(folder, name));
    }
  }
  for (const [name, content] of release.files) {
    await writeDated(path.join(folder, name), content, release.release.date);
  }
}

async function writeOwn(
  repository: Repository,
  work: GenerationWork,
  release: MirrorRelease,
  folder: string,
): Promise<void> {
  const own = work.indexes.filter(({ suite }) => suite === release.suite);
  const architectures = own
    .map(({ architecture }) => architecture)
    .filter((each) => each !== null && each !== 'all');
  await writeReindexed(repository, {
    ...{ mirror: work.mirror.name, release, folder, number: work.number, date: work.date },
    packages: work.wanted.packages?.get(release.suite) ?? [],
    components: [...new Set(own.map(({ component }) => component))].toSorted(),
    architectures: [...new Set(architectures as string[])].toSorted(),
    states: path.join(work.places.states, release.suite.replaceAll('/', '_')),
  });
}

/** Relative paths of the by-hash files below a folder. */
async function byHashBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && path.basename(path.dirname(entry.parentPath)) === 'by-hash')
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .toSorted();
}
