/** A filtered mirror's suite: our own indexes of what was chosen, under a Release that says what the archive's says, signed by us. */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { releaseFile, type ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { writeDated } from '../../../shared/files/whole-folder.ts';
import type { Repository } from '../context.ts';
import { makeIndexes } from '../indexes/engine.ts';
import type { IndexedPackage } from '../indexes/kinds/scope.ts';
import type { Wanted } from '../indexes/plan.ts';
import type { MirrorRelease } from './release.ts';

export interface ReindexWork {
  mirror: string;
  release: MirrorRelease;
  packages: readonly IndexedPackage[];
  components: readonly string[];
  architectures: readonly string[];
  number: number;
  /** Of the suite in the generation; nobody's yet. */
  folder: string;
  states: string;
  date: Date;
}

/** Writes the suite's folder, durably. Throws what the signer throws. */
export async function writeReindexed(repository: Repository, work: ReindexWork): Promise<void> {
  const { config } = repository;
  await mkdir(work.folder, { recursive: true });
  const byId = new Map(work.packages.map((each) => [each.id, each]));
  const files = await makeIndexes({
    scope: {
      ...{ components: work.components, architectures: work.architectures },
      ...{ debugComponents: false, translations: config.translations },
      // What is in the packages is not read here.
      ...{ contents: false, contentsSource: false },
    },
    offer: { compression: config.compression, plain: config.plainIndexes, md5: config.md5 },
    ...{ number: work.number, folder: work.folder, previous: null, states: work.states, date: work.date },
    changed: [],
    listing: () => Promise.resolve(work.packages),
    packages: (wanted) => Promise.resolve(packagesOf(byId, wanted)),
    fileLists: () => Promise.resolve(new Map()),
  });
  // The next time all is made anew: what is chosen is little.
  await rm(work.states, { recursive: true, force: true });
  const text = reindexedRelease(work, files);
  const { inRelease, detached } = await repository.signer.sign({
    text,
    queue: `mirror:${work.mirror}`,
    product: work.release.release.fields.get('Codename') ?? '',
    generation: work.number,
  });
  await writeDated(path.join(work.folder, 'Release'), text, work.date);
  await writeDated(path.join(work.folder, 'Release.gpg'), detached, work.date);
  await writeDated(path.join(work.folder, 'InRelease'), inRelease, work.date);
}

function packagesOf(byId: ReadonlyMap<string, IndexedPackage>, wanted: Wanted): IndexedPackage[] {
  if ('ids' in wanted) return wanted.ids.flatMap((id) => byId.get(id) ?? []);
  return [...byId.values()].filter((each) => wanted.names.includes(each.name));
}

/**
 * Origin, Label, Suite and Codename stay the archive's, since pins and unattended upgrades go by them; and so does
 * the end of its validity, so that clients of a mirror that is not kept up notice as early as others.
 */
function reindexedRelease(work: ReindexWork, files: readonly ReleaseIndex[]): string {
  const { fields, validUntil } = work.release.release;
  const value = (name: string): string => fields.get(name) ?? '';
  return releaseFile({
    ...{ origin: value('Origin'), label: value('Label'), suite: value('Suite'), codename: value('Codename') },
    date: work.date,
    ...(validUntil === null ? {} : { validUntil }),
    architectures: work.architectures,
    components: work.components,
    description: `A part of ${value('Origin')} ${value('Suite')}`,
    acquireByHash: true,
    notAutomatic: value('NotAutomatic') === 'yes',
    butAutomaticUpgrades: value('ButAutomaticUpgrades') === 'yes',
    files,
  });
}
