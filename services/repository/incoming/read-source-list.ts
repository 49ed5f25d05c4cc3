/** What a source package unpacks to, by dpkg-source(1): its tars laid over each other, or a tar and a diff. */
import { createReadStream } from 'node:fs';
import { cleanPath, MAX_PATH_BYTES, MAX_TAR_PATHS } from '../../../shared/debian/tar-paths.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { readTarPaths, readUnpacked, sortedPaths } from './read-file-list.ts';

const MAX_LINE_CHARACTERS = 2 * MAX_PATH_BYTES;
const TAR = /\.tar\.(?:gz|xz|bz2|lzma|zst)$/;
const COMPONENT = /\.orig-([A-Za-z0-9-]+)\.tar\.[a-z0-9]+$/;
const DEBIAN = /\.debian\.tar\.[a-z0-9]+$/;

/**
 * The sorted paths of a source made of these files, without folders and the top folder. Throws `deb-invalid`
 * for what cannot be read.
 */
export async function readSourceList(files: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const file of files) {
    if (TAR.test(file)) {
      const found = await readTarPaths(createReadStream(file), file, { pax: true });
      for (const each of found) paths.push(inTree(file, each));
    } else if (file.endsWith('.diff.gz')) {
      paths.push(...(await readDiffPaths(file)));
    }
  }
  return sortedPaths(paths.filter((each) => each !== ''));
}

/** Where dpkg-source puts a tar's file: all but debian/ loses its top folder. */
function inTree(file: string, each: string): string {
  if (DEBIAN.test(file)) return each;
  const rest = each.slice(each.indexOf('/') + 1);
  const component = COMPONENT.exec(file)?.[1];
  return component === undefined ? rest : `${component}/${rest}`;
}

/** Files that a diff of format 1.0 makes or changes. */
async function readDiffPaths(file: string): Promise<string[]> {
  const paths: string[] = [];
  let rest = '';
  for await (const bytes of readUnpacked(createReadStream(file), file)) {
    const lines = (rest + bytes.toString('latin1')).split('\n');
    // A line that is longer than any path names none.
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARACTERS);
    for (const line of lines) {
      const named = /^\+\+\+ ([^\t]+)/.exec(line)?.[1];
      if (named !== undefined) paths.push(inTree(file, cleanPath(named)));
    }
    if (paths.length > MAX_TAR_PATHS) throw new AppError('deb-invalid', `${file} changes too many files`);
  }
  return paths;
}
