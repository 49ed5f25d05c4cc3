/** Whether an archive is what somebody says it is, before it is kept as a mirror. */
import type { Repository } from '../context.ts';
import type { MirrorDefinition } from './definition.ts';
import { STALL_MS, type Fetching } from './fetch/download.ts';
import { createLimiter } from './fetch/limiter.ts';
import { mirrorPlaces } from './places.ts';
import { fetchRelease } from './release.ts';
import { openOrigin } from './run.ts';
import { selectIndexes } from './select-indexes.ts';

/** Somebody waits for the answer: what does not come within some tries is said. */
const RETRY_FIRST_MS = 100;

/** Takes the Release of each suite, as an update would, and keeps nothing. Throws what an update throws at its beginning. */
export async function probeArchive(repository: Repository, mirror: MirrorDefinition): Promise<void> {
  const origin = await openOrigin(repository, mirror);
  const fetching: Fetching = {
    origin,
    limiter: createLimiter(mirror.settings.bytesPerSecond ?? repository.config.mirrors.bytesPerSecond),
    folder: mirrorPlaces(repository, mirror.name).partial,
    ...{ retryFirstMs: RETRY_FIRST_MS, stallMs: STALL_MS },
  };
  try {
    for (const suite of mirror.suites) {
      const checks = { keys: mirror.keys, seen: {}, now: repository.now() };
      const { release } = await fetchRelease(fetching, suite, checks);
      selectIndexes(mirror, suite, release);
    }
  } finally {
    origin.close();
  }
}
