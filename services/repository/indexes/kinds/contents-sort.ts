/**
 * Every path of an archive in order, however many there are: Debian's main has some twelve million, which do
 * not fit into memory, so sort(1) sorts them on the disk.
 */
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment, runChecked } from '../../../../shared/process/run.ts';
import { forEachBatch } from './batches.ts';
import type { KindContext, Packages } from './kind.ts';
import type { IndexedPackage } from './scope.ts';

/** Twelve million lines take some minutes on a slow disk. */
const SORT_TIMEOUT_MS = 60 * 60_000;
const SORT_MEMORY = '64M';
/** Between a path and a location: smaller than what a path may hold, so that paths sort as whole words. */
const SEPARATOR = '\0';

interface SortContext extends KindContext {
  locationOf: (each: IndexedPackage) => string;
}

/** Each path with its locations, both sorted by bytes (latin1). Removes its files at the end. */
export async function* sortedLines(
  packages: Packages,
  context: SortContext,
): AsyncGenerator<[path: string, locations: string[]]> {
  const unsorted = path.join(context.workFolder, 'contents.unsorted');
  const sorted = path.join(context.workFolder, 'contents.sorted');
  try {
    await writeUnsorted(unsorted, packages, context);
    await runChecked(
      [
        ...(['sort', '--unique', `--buffer-size=${SORT_MEMORY}`] as const),
        ...[`--temporary-directory=${context.workFolder}`, `--output=${sorted}`, unsorted],
      ],
      { timeoutMs: SORT_TIMEOUT_MS, env: minimalEnvironment({ LC_ALL: 'C' }) },
    );
    await rm(unsorted);
    yield* grouped(sorted);
  } finally {
    await rm(unsorted, { force: true });
    await rm(sorted, { force: true });
  }
}

async function writeUnsorted(
  file: string,
  packages: Packages,
  { fileLists, locationOf }: SortContext,
): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await forEachBatch(packages, fileLists, async (each, paths) => {
      if (paths.length === 0) return;
      const end = `${SEPARATOR}${locationOf(each)}\n`;
      await handle.writeFile(Buffer.from(`${paths.join(end)}${end}`, 'latin1'));
    });
  } finally {
    await handle.close();
  }
}

async function* grouped(file: string): AsyncGenerator<[string, string[]]> {
  let current: [string, string[]] | null = null;
  let rest = '';
  for await (const piece of createReadStream(file, { encoding: 'latin1', highWaterMark: 1024 * 1024 })) {
    const lines = `${rest}${piece as string}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const at = line.indexOf(SEPARATOR);
      const key = line.slice(0, at);
      if (current?.[0] === key) {
        current[1].push(line.slice(at + 1));
        continue;
      }
      if (current) yield current;
      current = [key, [line.slice(at + 1)]];
    }
  }
  if (current) yield current;
}
