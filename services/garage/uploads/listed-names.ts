/**
 * Which files a .changes or .dsc names, read without judging it: a control file that is wrong in every
 * other way still tells which files came with it, so they are rejected together and nothing is left behind.
 */
import { MAX_LISTED_FILES } from '../../../shared/debian/file-list.ts';
import { isSafeFileName } from '../../../shared/files/safe-path.ts';

const LIST_FIELD = /^(files|checksums-[a-z0-9]+):/i;

/** Bare, harmless names in the order they stand, each once. Works on signed and unsigned text alike. */
export function listedNames(text: string): string[] {
  const names = new Set<string>();
  let isInList = false;
  for (const line of text.split('\n')) {
    const isContinued = line.startsWith(' ') || line.startsWith('\t');
    if (!isContinued) isInList = LIST_FIELD.test(line);
    else if (isInList) {
      // Of a name with a path the last part: that path is refused later, and the file goes along.
      const name =
        line
          .trim()
          .split(/[\s/]+/)
          .at(-1) ?? '';
      if (isSafeFileName(name)) names.add(name);
      if (names.size >= MAX_LISTED_FILES) break;
    }
  }
  return [...names];
}
