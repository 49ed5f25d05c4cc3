import type { FileLists } from './kind.ts';

/** Lists that are held in memory at once. */
const LISTS_AT_ONCE = 200;

/** A line could not tell a blank at a path's end from those behind it. */
function isShown(path: string): boolean {
  return !path.endsWith(' ') && !path.endsWith('\t');
}

/** Paths of each package that Contents can show, some hundred packages at a time. */
export async function forEachBatch<T extends { id: string }>(
  packages: Iterable<T> | AsyncIterable<T>,
  fileLists: FileLists,
  work: (each: T, paths: readonly string[]) => Promise<void> | void,
): Promise<void> {
  let batch: T[] = [];
  const end = async (): Promise<void> => {
    const lists = await fileLists(batch.map((each) => each.id));
    for (const each of batch) await work(each, (lists.get(each.id) ?? []).filter(isShown));
    batch = [];
  };
  for await (const each of packages) {
    batch.push(each);
    if (batch.length >= LISTS_AT_ONCE) await end();
  }
  if (batch.length > 0) await end();
}
