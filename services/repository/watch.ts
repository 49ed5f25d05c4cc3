/** File events as hints: "look now". What they miss, the schedule finds. */
import { existsSync, watch, type FSWatcher } from 'node:fs';
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
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
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

/**
 * Calls `onHint` when a marker is touched. Folders are watched, not the files: publishers replace a marker and rqp
 * removes it, many times in a second when much is published, and the watch of a file ends with it.
 */
export async function watchMarkers(repository: Repository, onHint: () => void): Promise<() => void> {
  const watchers: FSWatcher[] = [];
  for (const { queue, product } of queueProducts(repository.common)) {
    const { root, marker } = placesOf(repository.home, queue, product);
    await mkdir(root, { recursive: true });
    const watcher = watch(root, { persistent: false }, (_event, name) => {
      const isMarker = name === null || name === path.basename(marker);
      if (isMarker && existsSync(marker)) onHint(); // its removal is no touch
    });
    watcher.on('error', (error) => repository.log.warn({ err: error, root }, 'watching markers failed'));
    watchers.push(watcher);
  }
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}
