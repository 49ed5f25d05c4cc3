/**
 * What attempts and checks have in common: a job on a host that is seen through over connections that may break,
 * by tries that may be repeated.
 */
import type { ExitClass } from '../../../shared/protocol/job.ts';
import type { Dispatch } from './attempt.ts';
import { JobFault, Withdrawn } from './faults.ts';
import { markSeen, markUnwell } from './hosts.ts';
import { wait } from './pulse.ts';
import { isHostFault, openRemote, reasonOf, type Remote } from './remote.ts';
import type { HostRow } from './rows.ts';

/** Between two tries while the lease lasts: quick after a hiccup, then no burden for a host that is down. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
/** A try that went on this long had a host that is well; the next one is quick again. */
const WELL_AFTER_MS = 60_000;

/**
 * Repeats `oneTry` (given why the one before failed) until it returns, or `stopping` is aborted. Throws nothing.
 */
export async function persist(
  dispatch: Dispatch,
  what: Record<string, string>,
  oneTry: (lastReason: string) => Promise<void>,
): Promise<void> {
  const { garage, stopping } = dispatch;
  let retryMs = FIRST_RETRY_MS;
  let lastReason = 'the service was away';
  while (!stopping.aborted) {
    const began = Date.now();
    try {
      await oneTry(lastReason);
      return;
    } catch (error) {
      if (stopping.aborted) return;
      lastReason = reasonOf(error);
      if (Date.now() - began > WELL_AFTER_MS) retryMs = FIRST_RETRY_MS;
      garage.log.warn({ err: error, ...what, retryMs }, 'a job was interrupted; trying again');
    }
    await wait(retryMs, stopping);
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
  }
}

/** Does `work` over one connection, which ends with it, or when this process stops to dispatch. */
export async function overRemote(
  dispatch: Dispatch,
  host: HostRow,
  work: (remote: Remote) => Promise<void>,
): Promise<void> {
  const remote = await reach(dispatch, host);
  // What is under way ends with the connection; the runner does not.
  const onStop = (): void => remote.connection.close();
  dispatch.stopping.addEventListener('abort', onStop, { once: true });
  try {
    await markSeen(dispatch.garage.pool, host.id);
    await work(remote);
  } finally {
    dispatch.stopping.removeEventListener('abort', onStop);
    remote.connection.close();
  }
}

/** Connects, and notes on the host's row when that fails: no other build should go there meanwhile. */
async function reach(dispatch: Dispatch, host: HostRow): Promise<Remote> {
  try {
    return await openRemote(host, dispatch.privateKey, dispatch.bundle);
  } catch (error) {
    dispatch.watch.doubt(host.id);
    await markUnwell(dispatch.garage.pool, host.id, reasonOf(error));
    throw error;
  }
}

/** How a try that threw ends the job; throws `error` itself when it is to be tried again. */
export function endOfError(error: unknown, remote: Remote): { exitClass: ExitClass; message: string } {
  if (error instanceof Withdrawn) return { exitClass: 'cancelled', message: error.message };
  if (error instanceof JobFault) return { exitClass: 'usage', message: error.message };
  if (isHostFault(error, remote.connection)) {
    return { exitClass: 'machine', message: `Host '${remote.host.name}': ${reasonOf(error)}` };
  }
  throw error;
}

/** What stays undone on a host is found when it is looked at again: soon. */
export async function bestEffort(dispatch: Dispatch, host: HostRow, work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    dispatch.garage.log.debug({ err: error, host: host.name }, 'left undone on a host');
    dispatch.watch.doubt(host.id);
  });
}
