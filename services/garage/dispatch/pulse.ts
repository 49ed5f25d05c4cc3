/**
 * What goes on beside following the log: the stage is read, the lease renewed, and a build that nobody wants
 * any more noticed. Each beat is a round trip to the host, so a lease is only renewed while it lives.
 */
import type { Garage } from '../context.ts';
import { HostFault, Withdrawn } from './faults.ts';
import { readStage, type Remote } from './remote.ts';

/** How old a stage on a page may be; a build is noticed to be cancelled within it, too. */
const BEAT_MS = 2_000;
/** Beats within one lease, at least, so that one missed beat loses nothing. */
const BEATS_IN_LEASE = 4;
/** The runner ends a job at its limit; a host that says nothing for this much longer never will. */
const OVERTIME_MS = 15 * 60_000;

export interface Pulse {
  /** Aborted with the reason (HostFault, Withdrawn, or what a beat met) when the attempt must stop. */
  signal: AbortSignal;
  stop(): Promise<void>;
}

/** What the pulse keeps alive: an attempt or a check. */
export interface Leased {
  startedAt: Date;
  /** The job's own time limit. */
  limitS: number;
  /** Renews the lease and notes the stage; false when nobody wants the job any more. */
  renew(stage: string | null): Promise<boolean>;
}

export function startPulse(garage: Garage, remote: Remote, folder: string, leased: Leased): Pulse {
  const failing = new AbortController();
  const stopping = new AbortController();
  const limitMs = leased.limitS * 1000 + OVERTIME_MS;
  const everyMs = Math.min(BEAT_MS, (garage.config.build.leaseS * 1000) / BEATS_IN_LEASE);
  const beat = async (): Promise<void> => {
    if (Date.now() - leased.startedAt.getTime() > limitMs) {
      throw new HostFault('The host did not end the job at its time limit');
    }
    const stage = await readStage(remote, folder);
    if (!(await leased.renew(stage))) throw new Withdrawn();
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await beat();
      } catch (error) {
        failing.abort(error);
        return;
      }
      await wait(everyMs, stopping.signal);
    }
  };
  const ended = loop();
  return {
    signal: failing.signal,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
