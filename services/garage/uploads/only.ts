/** One upload out of the spool, as an admin names it on the command line. */
import path from 'node:path';

/** True for the upload that is meant: by its control file's or any of its files' name, or by path. */
export type IsWanted = (folder: string, files: readonly string[]) => boolean;

export const EVERY_UPLOAD: IsWanted = () => true;

/** `file` is a bare name, wherever it lies, or the path of a file in the spool. */
export function onlyUploadOf(file: string): IsWanted {
  if (!file.includes('/')) return (_, files) => files.includes(file);
  const wanted = path.resolve(file);
  return (folder, files) => folder === path.dirname(wanted) && files.includes(path.basename(wanted));
}
