/** `import directory`: a published archive tree by its indexes, or packages that lie in any folders. */
import { realpath, stat } from 'node:fs/promises';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ImportSource } from './candidate.ts';
import { countPackages, hasPackages, walkPackages } from './loose.ts';
import { openTree, treesOf } from './tree.ts';

/** The folder's own path, links resolved. Throws `import-root-missing`. */
export async function rootFolder(given: string): Promise<string> {
  const root = await realpath(given).catch(() => null);
  if (root !== null && (await stat(root)).isDirectory()) return root;
  throw new AppError('import-root-missing', `There is no folder '${given}'`);
}

/** Throws `import-root-missing`, `import-empty` and what {@link openTree} throws. */
export async function openDirectory(given: string, distribution: string | undefined): Promise<ImportSource> {
  const root = await rootFolder(given);
  const trees = await treesOf(root);
  if (trees.length > 0 || distribution !== undefined) return openTree('directory', root, trees, distribution);
  if (!(await hasPackages(root))) {
    throw new AppError('import-empty', `There are no packages below '${given}'`, {
      hint: 'It has neither the dists/ of an archive nor a .deb, .udeb or .dsc that can be read.',
    });
  }
  return {
    ...{ kind: 'directory', root, part: '', facts: { components: [], architectures: [] } },
    count: () => countPackages(root),
    candidates: (refuse) => walkPackages(root, refuse),
  };
}
