/** File events as hints: "look now". What they miss, the schedule finds. */
import { watch } from 'chokidar';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Repository } from './context.ts';
import { placesOf, queueProducts } from './places.ts';

/** Calls `onHint(queue)` when something appears in a queue's incoming folder. Makes the folders. */
export async function watchIncoming(
  repository: Repository,
  onHint: (queue: string) => void,
): Promise<() => Promise<void>> {
  const root = repository.home.repositoryIncoming;
  for (const { queue, product } of queueProducts(repository.common)) {
    await mkdir(path.join(root, queue, product), { recursive: true });
  }
  // Depth 2 is <queue>/<product>/<id>; what is inside a set came with it.
  const watcher = watch(root, { depth: 2, ignoreInitial: true, ignorePermissionErrors: true });
  watcher.on('addDir', (folder) => {
    const [queue, , id] = path.relative(root, folder).split(path.sep);
    if (queue !== undefined && id !== undefined) onHint(queue);
  });
  watcher.on('error', (error) => repository.log.warn({ err: error }, 'watching incoming failed'));
  return () => watcher.close();
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
