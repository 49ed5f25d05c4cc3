/**
 * Builds what waits, when no garage service does: by hand, in the foreground, until nothing is left that
 * can be started. The dispatcher's own lock says whether somebody else dispatches.
 */
import { createDispatcher } from '../dispatch/dispatcher.ts';
import type { Garage } from '../context.ts';
import { stamp } from '../../../shared/cli/stamp.ts';

export interface DispatchResult {
  /** False when a garage service dispatches; nothing was done here. */
  isOurs: boolean;
  /** Builds that ended, but not as built. */
  failed: number;
}

interface EndedBuild {
  source: string;
  version: string;
  architecture: string;
  status: string;
  reason: string | null;
}

/** Dispatches until idle or until `stopping` is aborted; attempts that run then go on on their hosts. */
export async function dispatchOnce(
  garage: Garage,
  onLine: (line: string) => void,
  stopping: AbortSignal,
): Promise<DispatchResult> {
  const dispatcher = createDispatcher(garage);
  const { rows } = await garage.pool.query<{ now: Date }>('select now() as now');
  if (!(await dispatcher.start())) return { isOurs: false, failed: 0 };
  try {
    const stopped = new Promise<void>((resolve) => {
      stopping.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([dispatcher.idle(), stopped]);
  } finally {
    await dispatcher.stop();
  }
  const ended = await endedSince(garage, rows[0]?.now ?? new Date());
  for (const { source, version, architecture, status, reason } of ended) {
    const why = reason === null ? '' : `: "${reason}"`;
    onLine(`[${stamp(new Date())}] ${status.toUpperCase()}: ${source} ${version} ${architecture}${why}`);
  }
  const fine = ['built', 'uploaded', 'installed', 'building'];
  return { isOurs: true, failed: ended.filter(({ status }) => !fine.includes(status)).length };
}

async function endedSince(garage: Garage, since: Date): Promise<EndedBuild[]> {
  const { rows } = await garage.pool.query<EndedBuild>(
    `select s.name as source, s.version, b.architecture, b.status, b.fail_reason as reason
       from builds b join sources s on s.id = b.source_id
      where b.updated_at >= $1 and b.status not in ('needs-build', 'superseded')
      order by b.updated_at, b.id`,
    [since],
  );
  return rows;
}
