/**
 * The incoming spool: `incoming/<product>/<login>/<file>`.
 *
 * drop and the web form write it, buildme takes from it. A file is written as `<file>.partial`, fsynced
 * and renamed on close, so whatever has no `.partial` ending is whole. Per-login folders: nobody touches
 * another's files.
 */
import path from 'node:path';
import { isSafeFileName, joinInside } from '../files/safe-path.ts';
import { loginName, productName } from './names.ts';

/** Ending of a file that is still arriving. */
export const PARTIAL = '.partial';
/** The most one file may hold unless configured: 4 GiB, more than any source tarball in Debian main. */
export const DEFAULT_MAX_FILE_BYTES = 4 * 1024 ** 3;

/** True when a person may upload a file of this name; `.partial` is ours. */
export function isUploadName(name: string): boolean {
  return isSafeFileName(name) && !name.endsWith(PARTIAL);
}

/** The folder for one login's uploads to one product. Throws for names that are not in the form. */
export function spoolFolder(incoming: string, product: string, login: string): string {
  return joinInside(incoming, productName.parse(product), loginName.parse(login));
}

/** Where a complete file lies. Throws for names that are not in the form. */
export function spoolFile(incoming: string, product: string, login: string, name: string): string {
  return path.join(spoolFolder(incoming, product, login), name);
}
