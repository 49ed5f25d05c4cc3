/**
 * Where a file lies in a pool: `<component>/<prefix>/<source>/<file>`, as in Debian's. The prefix is the
 * source's first letter, or four letters for `lib...`, so that no folder grows too large.
 */
import { AppError } from '../errors/app-error.ts';
import { isFileName, isPackageName, isProductName } from './names.ts';

const COMPONENT = /^[a-z][a-z0-9-]*$/;

/** The folder's first level: `h` for hello, `libx` for libx11, `l` for lib. */
export function poolPrefix(source: string): string {
  return source.startsWith('lib') && source.length > 3 ? source.slice(0, 4) : source.slice(0, 1);
}

/** `main/h/hello`, relative to a product's pool. Throws `pool-path-invalid` for names not in the form. */
export function sourceDirectory(component: string, source: string): string {
  if (!COMPONENT.test(component) || !isPackageName(source)) {
    throw new AppError(
      'pool-path-invalid',
      `'${component}' and '${source}' do not make a folder of the pool`,
    );
  }
  return `${component}/${poolPrefix(source)}/${source}`;
}

/** `main/h/hello/hello_1.0-1.dsc`, relative to a product's pool. Throws `pool-path-invalid`. */
export function poolPath(component: string, source: string, name: string): string {
  if (!isFileName(name)) {
    throw new AppError('pool-path-invalid', `'${name}' is not a file name of the pool`);
  }
  return `${sourceDirectory(component, source)}/${name}`;
}

/** The product's pool relative to the queue's root, `pool/bookworm`: what goes before the paths above. */
export function productPool(product: string): string {
  if (!isProductName(product)) {
    throw new AppError('pool-path-invalid', `'${product}' is not a product`);
  }
  return `pool/${product}`;
}
