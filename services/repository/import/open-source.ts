/** The repositories that can be brought in, by kind. */
import type { ImportSource } from './candidate.ts';
import { openAptly } from './aptly.ts';
import { openDirectory } from './directory.ts';
import { openReprepro } from './reprepro.ts';

export interface SourceOptions {
  distribution?: string;
  /** Of aptly. */
  repo?: string;
  snapshot?: string;
}

type Opener = (root: string, options: SourceOptions) => Promise<ImportSource>;

const OPENERS: Record<ImportSource['kind'], Opener> = {
  reprepro: (root, { distribution }) => openReprepro(root, distribution),
  aptly: openAptly,
  directory: (root, { distribution }) => openDirectory(root, distribution),
};

export const IMPORT_KINDS = Object.keys(OPENERS);

/** Throws `import-root-missing`, `distribution-unknown` and what is wrong with the repository as a whole. */
export function openSource(
  kind: ImportSource['kind'],
  root: string,
  options: SourceOptions,
): Promise<ImportSource> {
  return OPENERS[kind](root, options);
}
