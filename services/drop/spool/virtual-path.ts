/**
 * The tree that a login sees: `/` holds a folder for each product, a product's folder holds this
 * login's own files, and there is nothing else. Paths map to names checked by pattern, never to a path
 * of the disk by string work, so nothing a client sends can leave its login's folder.
 */
import { AppError } from '../../../shared/errors/app-error.ts';
import { assertUploadName } from '../../../shared/files/partial-file.ts';
import { isUploadName } from '../../../shared/protocol/spool.ts';

/** Longer paths than this name nothing here: a product (64), a file (200) and some slack for `./` and `../`. */
const MAX_PATH_LENGTH = 1024;

export type VirtualPath =
  { kind: 'root' } | { kind: 'product'; product: string } | { kind: 'file'; product: string; name: string };

/**
 * What `requested` means; relative paths start at `/`. Throws `path-escapes` for one that climbs above
 * `/`, `folder-unknown` for a product that is not in `products` or anything deeper than a file, and
 * `file-name-invalid`.
 */
export function resolveVirtual(requested: string, products: readonly string[]): VirtualPath {
  const parts = splitPath(requested);
  const [product, name, deeper] = parts;
  if (product === undefined) return { kind: 'root' };
  if (!products.includes(product)) throw unknownFolder(product, products);
  if (name === undefined) return { kind: 'product', product };
  if (deeper !== undefined || /\/\.?$/.test(requested)) throw unknownFolder(`${product}/${name}`, products);
  assertUploadName(name);
  return { kind: 'file', product, name };
}

/** The absolute form of any path within the tree, for REALPATH; what it names need not exist. */
export function absoluteVirtual(requested: string): string {
  return `/${splitPath(requested).join('/')}`;
}

/** The absolute form of a path that was resolved. */
export function virtualName(at: VirtualPath): string {
  if (at.kind === 'root') return '/';
  return at.kind === 'product' ? `/${at.product}` : `/${at.product}/${at.name}`;
}

function splitPath(requested: string): string[] {
  if (requested.length > MAX_PATH_LENGTH) {
    throw new AppError('path-too-long', `Paths have at most ${String(MAX_PATH_LENGTH)} characters`);
  }
  const parts: string[] = [];
  for (const part of requested.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw new AppError('path-escapes', 'The path leaves the upload area');
    }
  }
  return parts;
}

function unknownFolder(folder: string, products: readonly string[]): AppError {
  const shown = isUploadName(folder) ? `There is no '${folder}'` : 'That folder is not there';
  return new AppError('folder-unknown', `${shown}: upload into a product's folder`, {
    hint: products.length > 0 ? `Products: ${products.join(', ')}.` : 'No product is configured yet.',
  });
}
