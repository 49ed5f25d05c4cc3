import path from 'node:path';
import { AppError } from '../errors/app-error.ts';

/** File names the archive takes: what dak accepts, so nothing hidden, no separator, no space. */
export const FILE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.~+-]*$/;
/** Longest file name the archive takes; ext4's limit is 255 and `.partial` and temporary names need room. */
export const FILE_NAME_MAX_LENGTH = 200;

/** True for a bare, harmless file name; see {@link FILE_NAME}. */
export function isSafeFileName(name: string): boolean {
  return name.length <= FILE_NAME_MAX_LENGTH && FILE_NAME.test(name);
}

/** Joins and promises that the result lies below `root`; throws `path-escapes` otherwise. */
export function joinInside(root: string, ...parts: string[]): string {
  const joined = path.resolve(root, ...parts);
  const base = path.resolve(root);
  if (joined !== base && !joined.startsWith(base + path.sep)) {
    throw new AppError('path-escapes', `Path '${parts.join('/')}' leaves its folder`);
  }
  return joined;
}
