/**
 * `import aptly`: a published distribution below `public/`, or with `--repo` and `--snapshot` what the `aptly`
 * program lists of it, straight from aptly's pool.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ImportSource } from './candidate.ts';
import { openAptlyList } from './aptly-list.ts';
import { rootFolder } from './directory.ts';
import type { SourceOptions } from './open-source.ts';
import { openTree, treesOf, type Tree } from './tree.ts';

/** Prefixes that are looked through: `public/`, `public/debian/`, `public/debian/internal/`. */
const MAX_PREFIX_DEPTH = 3;

/** `given` is aptly's rootDir. Throws `aptly-options`, `import-root-missing` and what the readers throw. */
export async function openAptly(given: string, options: SourceOptions): Promise<ImportSource> {
  const root = await rootFolder(given);
  const { repo, snapshot, distribution } = options;
  if ([repo, snapshot, distribution].filter((each) => each !== undefined).length > 1) {
    throw new AppError('aptly-options', 'Give one of --repo, --snapshot and --distribution');
  }
  if (repo !== undefined) return openAptlyList(root, 'repo', repo);
  if (snapshot !== undefined) return openAptlyList(root, 'snapshot', snapshot);
  const trees = await publishedTrees(root);
  if (trees.length > 0 || distribution !== undefined) return openTree('aptly', root, trees, distribution);
  throw new AppError('distribution-missing', `Nothing is published below ${path.join(root, 'public')}`, {
    hint: 'Publish it there, or name what to take: --repo NAME or --snapshot NAME.',
  });
}

async function publishedTrees(root: string): Promise<Tree[]> {
  const found: Tree[] = [];
  const visit = async (base: string, depth: number): Promise<void> => {
    found.push(...(await treesOf(root, base)));
    if (depth >= MAX_PREFIX_DEPTH) return;
    for (const entry of await readdir(path.join(root, base), { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory() || ['dists', 'pool'].includes(entry.name)) continue;
      await visit(path.posix.join(base, entry.name), depth + 1);
    }
  };
  if ((await stat(path.join(root, 'public')).catch(() => null))?.isDirectory() === true)
    await visit('public', 0);
  return found;
}
