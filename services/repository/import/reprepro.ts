/** `import reprepro`: what reprepro exported, found by its `conf/`. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDeb822 } from '../../../shared/debian/deb822.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ImportSource } from './candidate.ts';
import { rootFolder } from './directory.ts';
import { openTree, treesOf, type Tree } from './tree.ts';

const MAX_CONF_BYTES = 4 * 1024 * 1024;

/**
 * Opens the distribution (by codename or suite). `given` is reprepro's base folder, or the folder it exports to.
 * Throws `import-root-missing`, `reprepro-not-exported`, `reprepro-conf-missing` and what {@link openTree} throws.
 */
export async function openReprepro(given: string, distribution: string | undefined): Promise<ImportSource> {
  const base = await rootFolder(given);
  const root = await rootFolder(await exportFolder(base));
  const trees = await treesOf(root);
  const known = await configured(base);
  const missing = known.filter((codename) => !trees.some((tree) => tree.name === codename));
  if (distribution !== undefined && missing.includes(distribution)) throw notExported(distribution);
  if (trees.length === 0) throw known[0] === undefined ? notReprepros(given) : notExported(known[0]);
  return openTree('reprepro', root, withoutUnknown(trees, known), distribution);
}

function notReprepros(given: string): AppError {
  return new AppError('reprepro-conf-missing', `There is no conf/distributions in '${given}'`, {
    hint: "Give reprepro's base folder, or for packages in any folders: autobuilder import directory",
  });
}

function notExported(codename: string): AppError {
  return new AppError('reprepro-not-exported', `reprepro has not exported ${codename} yet`, {
    hint: `Run: reprepro export ${codename}`,
  });
}

/** What lies in dists/ and is no longer configured is not the repository's. */
function withoutUnknown(trees: readonly Tree[], known: readonly string[]): Tree[] {
  const own = trees.filter((tree) => known.includes(tree.name));
  return own.length > 0 ? own : [...trees];
}

/** `outdir` of conf/options, which may start with `+b/` for the base folder; else the base folder itself. */
async function exportFolder(base: string): Promise<string> {
  const text = await readConf(path.join(base, 'conf/options'));
  const outdir = /^[ \t]*outdir[ \t=]+(\S+)/m.exec(text)?.[1];
  if (outdir === undefined) return base;
  return path.resolve(base, outdir.replace(/^\+[bo](?:\/|$)/, './'));
}

/** Codenames of conf/distributions; none where it is not there or of another form. */
async function configured(base: string): Promise<string[]> {
  const text = await readConf(path.join(base, 'conf/distributions'));
  try {
    return parseDeb822(text, { comments: true, blankSeparators: true }).flatMap(
      (each) => each.get('Codename') ?? [],
    );
  } catch (cause) {
    throw new AppError('reprepro-conf-invalid', 'conf/distributions cannot be read', { cause });
  }
}

async function readConf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text.length <= MAX_CONF_BYTES) return text;
  throw new AppError('reprepro-conf-invalid', `${file} is too large`);
}
