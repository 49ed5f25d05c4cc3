/** Names and their forms; the same rules as the schemas of shared/protocol, without a library. */

/** File names the archive takes: what dak accepts, so nothing hidden, no separator, no space. */
const FILE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.~+-]*$/;
/** ext4 ends names at 255 bytes, and `.partial` and temporary names need room. */
const FILE_NAME_MAX_LENGTH = 200;
/** Policy 5.6.1 and 5.6.7. */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]{1,127}$/;
const ARCHITECTURE_NAME = /^[a-z0-9-]{2,32}$/;
const PRODUCT_NAME = /^[a-z][a-z0-9.+-]{0,63}$/;

/** True for a bare, harmless file name. */
export function isFileName(name: string): boolean {
  return name.length <= FILE_NAME_MAX_LENGTH && FILE_NAME.test(name);
}

/** True for the name of a source or binary package. */
export function isPackageName(name: string): boolean {
  return PACKAGE_NAME.test(name);
}

/** True for what may stand for an architecture: a name or wildcard in its form, known or not. */
export function isArchitectureName(name: string): boolean {
  return ARCHITECTURE_NAME.test(name);
}

/** True for a product, a release's name. */
export function isProductName(name: string): boolean {
  return PRODUCT_NAME.test(name);
}
