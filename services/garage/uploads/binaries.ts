/**
 * Binaries that come with an upload: refused, kept beside the source, or (binaryUploads: accept) published as
 * they are. They are judged by their names and the .changes here; what is inside the repository checks.
 */
import type { Changes, ChangesFile } from '../../../shared/debian/changes.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import type { AcceptedSource } from './archive.ts';
import { reject } from './rejection.ts';
import { earlierSets, waitingBuilds } from './uploaded-sets.ts';
import type { Context } from './verify.ts';

const BINARY = /\.(u|d)?deb$/;

/** One architecture's binaries of an upload: one set for the repository. */
export interface UploadedBinaries {
  /** `all` where the upload has nothing else for it. */
  architecture: string;
  /** Which packages it holds. */
  binaries: 'any' | 'all' | 'both';
  files: FileEntry[];
}

export interface CheckedBinaries {
  sets: UploadedBinaries[];
  /** Binaries only: the source that they are of. */
  sourceId: string | null;
  /** Binaries only: the same were accepted before. */
  isRepetition: boolean;
}

export function isBinaryName(name: string): boolean {
  return BINARY.test(name);
}

/** Rejects `binaries-refused`, `source-missing` and what {@link checkBinaryOnly} and {@link setsOf} say. */
export async function checkBinaries(
  context: Context,
  changes: Changes,
  accepted: AcceptedSource[],
): Promise<CheckedBinaries> {
  const { product } = context;
  const [first] = changes.files.filter(({ name }) => isBinaryName(name));
  if (first && changes.dsc && product.binaryUploads === 'refuse') {
    throw reject('binaries-refused', { file: first.name });
  }
  if (product.binaryUploads !== 'accept') {
    if (!changes.dsc) throw reject('source-missing', {});
    return { sets: [], sourceId: null, isRepetition: false };
  }
  const sets = setsOf(context, changes);
  if (changes.dsc) return { sets, sourceId: null, isRepetition: false };
  if (!first) throw reject('binaries-missing', {});
  return checkBinaryOnly(context, changes, accepted, sets);
}

/** The uploaded binaries by architecture; arch:all ones with those of the architecture that builds `all`. */
function setsOf({ product }: Context, changes: Changes): UploadedBinaries[] {
  const byArchitecture = new Map<string, FileEntry[]>();
  for (const file of changes.files.filter(({ name }) => isBinaryName(name))) {
    const architecture = architectureOf(file);
    const isOurs = [...product.architectures, 'all'].includes(architecture);
    if (!isOurs || !changes.architectures.includes(architecture)) {
      throw reject('binary-architecture', {
        ...{ file: file.name, product: product.name, ours: product.architectures.join(' ') },
        architectures: changes.architectures.join(' '),
      });
    }
    if (architecture === 'all' && changes.version !== changes.sourceVersion) {
      throw reject('binary-rebuild-of-all', { file: file.name, version: changes.version });
    }
    const { name, size, sha256 } = file;
    byArchitecture.set(architecture, [...(byArchitecture.get(architecture) ?? []), { name, size, sha256 }]);
  }
  const all = byArchitecture.get('all');
  const withAll = byArchitecture.get(product.architectures[0]);
  if (all && withAll) byArchitecture.delete('all');
  return Array.from(byArchitecture, ([architecture, files]): UploadedBinaries => {
    if (architecture === 'all') return { architecture, binaries: 'all', files };
    if (files !== withAll || !all) return { architecture, binaries: 'any', files };
    return { architecture, binaries: 'both', files: [...files, ...all] };
  });
}

/** `<package>_<version>_<architecture>.deb`; empty for another form, which no product has. */
function architectureOf({ name }: ChangesFile): string {
  const parts = name.replace(BINARY, '').split('_');
  return parts.length === 3 ? (parts[2] ?? '') : '';
}

/**
 * Binaries alone: their source must be here in that version, and nothing may be building or built in their
 * place, unless they are a binary-only rebuild (`+b1`) of what is installed.
 */
async function checkBinaryOnly(
  { garage, upload }: Context,
  changes: Changes,
  accepted: AcceptedSource[],
  sets: UploadedBinaries[],
): Promise<CheckedBinaries> {
  const { source, version, sourceVersion } = changes;
  const product = upload.product;
  const ours = accepted.find((each) => compareVersions(each.version, sourceVersion) === 0);
  if (!ours) throw reject('source-unknown', { source, version: sourceVersion, product });
  const earlier = await earlierSets(garage.pool, ours.id);
  const known = earlier.flatMap(({ files }) => files);
  for (const file of sets.flatMap(({ files }) => files)) {
    if (known.some(({ name, sha256 }) => name === file.name && sha256 !== file.sha256)) {
      throw reject('file-exists', { file: file.name, product });
    }
  }
  const isKnown = (file: FileEntry): boolean => known.some(({ sha256 }) => sha256 === file.sha256);
  if (sets.every(({ files }) => files.every(isKnown))) return { sets, sourceId: ours.id, isRepetition: true };
  const isRebuild = version !== sourceVersion;
  for (const build of await waitingBuilds(garage.pool, ours.id, sets)) {
    if (build.isWaiting || (isRebuild && build.status === 'installed')) continue;
    const { architecture, status } = build;
    throw reject('binaries-built-here', { version, source, architecture, status });
  }
  return { sets, sourceId: ours.id, isRepetition: false };
}
