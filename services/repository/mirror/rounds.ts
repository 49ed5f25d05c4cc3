/** The service's own updates: a round looks at all rows and takes those that are due, one after the other. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { listMirrors, type MirrorRow } from './rows.ts';
import { updateMirror } from './run.ts';

/** One at a time: they share the disk and the line, and none is urgent. */
export function createMirrorRounds(repository: Repository, signal: AbortSignal): Coalesced {
  const round = async (): Promise<void> => {
    const mirrors = await listMirrors(repository.pool);
    showStates(repository, mirrors);
    for (const mirror of mirrors.filter((each) => isDue(each, repository.now()))) {
      if (signal.aborted) return;
      try {
        await updateMirror(repository, mirror.name, { signal });
      } catch (error) {
        // Recorded with the mirror; a busy one is in good hands.
        if (!(error instanceof AppError)) repository.log.debug({ err: error }, 'mirror round goes on');
      }
    }
    showStates(repository, await listMirrors(repository.pool));
  };
  return coalesce(round, (error) => repository.log.error({ err: error }, 'mirror round failed'));
}

/** One that was cut off is due at once; whether somebody is at it, its lock tells. */
function isDue({ nextAt, status }: MirrorRow, now: Date): boolean {
  return nextAt === null || nextAt <= now || status === 'updating';
}

function showStates({ metrics }: Repository, mirrors: readonly MirrorRow[]): void {
  metrics.mirrorSucceeded.reset();
  metrics.mirrorFailing.reset();
  for (const { name, succeededAt, status } of mirrors) {
    metrics.mirrorSucceeded.set({ mirror: name }, succeededAt === null ? 0 : succeededAt.getTime() / 1000);
    metrics.mirrorFailing.set({ mirror: name }, status === 'failed' ? 1 : 0);
  }
}
