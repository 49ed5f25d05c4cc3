/** File events as hints: "look now". What they miss, the schedule finds. */
import { watch } from 'chokidar';
import { existsSync, watch as watchFolder, type FSWatcher } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Repository } from './context.ts';
import { placesOf, queueProducts } from './places.ts';

/**
 * Calls `onHint(queue)` when something appears in a queue's incoming folder. Makes the folders. Without chokidar:
 * it looks at a folder once a second at most, and people wait for a set that comes soon after another.
 */
export async function watchIncoming(
  repository: Repository,
  onHint: (queue: string) => void,
): Promise<() => void> {
  const watchers: FSWatcher[] = [];
  for (const { queue, product } of queueProducts(repository.common)) {
    const folder = path.join(repository.home.repositoryIncoming, queue, product);
    await mkdir(folder, { recursive: true });
    const watcher = watchFolder(folder, { persistent: false }, (_event, name) => {
      // A set that goes, as each does once it is taken, is told of as well.
      if (name === null || existsSync(path.join(folder, name))) onHint(queue);
    });
    watcher.on('error', (error) => repository.log.warn({ err: error, folder }, 'watching incoming failed'));
    watchers.push(watcher);
  }
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}

/** Calls `onHint` when a marker is touched. */
export async function watchMarkers(repository: Repository, onHint: () => void): Promise<() => Promise<void>> {
  const all = queueProducts(repository.common).map((at) => placesOf(repository.home, at.queue, at.product));
  for (const { root } of all) await mkdir(root, { recursive: true });
  const watcher = watch(
    all.map((places) => places.marker),
    { depth: 0, ignoreInitial: true },
  );
  watcher.on('add', onHint);
  watcher.on('change', onHint);
  watcher.on('error', (error) => repository.log.warn({ err: error }, 'watching markers failed'));
  return () => watcher.close();
}
