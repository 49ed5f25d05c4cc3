/**
 * Bases are made anew while builds go on: beside, then switched, so that no build waits for it. By schedule those
 * that are due, on demand any. One at a time on each host, whoever asks.
 *
 * Only what a host has is refreshed by schedule: a base that no build ever needed there is not made.
 */
import pg from 'pg';
import { schedule } from 'node-cron';
import { messageOf } from '../../../shared/errors/app-error.ts';
import type { Product } from '../../../shared/config/common.ts';
import type { Garage } from '../context.ts';
import type { Remote } from '../dispatch/remote.ts';
import { activeHosts, type HostRow } from '../dispatch/rows.ts';
import { noteBases, reachHost, remakeBase } from './host-bases.ts';

/** One refresh on a host at a time; the lock's number is this plus the host's id. */
const LOCK_CLASS = 7_241_872;
/** A base that could not be made is tried again by schedule after this: a mirror may be away for long. */
const RETRY_HOURS = 6;

/** Runs `work` unless somebody refreshes there already; the lock goes with its connection. */
async function alone(
  garage: Garage,
  host: HostRow,
  wait: boolean,
  work: () => Promise<void>,
): Promise<boolean> {
  const client = new pg.Client({
    connectionString: garage.databaseUrl,
    application_name: 'autobuilder-bases',
  });
  client.on('error', () => undefined); // told by the query that fails
  await client.connect();
  try {
    const ids = [LOCK_CLASS, Number(host.id)];
    if (wait) await client.query('select pg_advisory_lock($1, $2)', ids);
    else {
      const { rows } = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1, $2) as ok', ids);
      if (rows[0]?.ok !== true) return false;
    }
    await work();
    return true;
  } finally {
    await client.end();
  }
}

async function note(
  garage: Garage,
  host: HostRow,
  product: Product,
  architecture: string,
  error: string | null,
): Promise<void> {
  await garage.pool.query(
    `insert into bases (host_id, product, architecture, refreshed_at, error) values ($1, $2, $3, now(), $4)
     on conflict (host_id, product, architecture) do update
        set refreshed_at = excluded.refreshed_at, error = excluded.error`,
    [host.id, product.name, architecture, error],
  );
}

async function refreshOver(
  garage: Garage,
  remote: Remote,
  product: Product,
  architecture: string,
  onLog?: (text: string) => void,
): Promise<void> {
  try {
    await remakeBase(garage, remote, product, architecture, onLog);
    await note(garage, remote.host, product, architecture, null);
  } catch (error) {
    await note(garage, remote.host, product, architecture, messageOf(error).slice(0, 1000));
    throw error;
  }
}

/** Makes one base on one host now, waiting for its turn. Throws what reaching the host throws, `base-not-made`. */
export async function refreshBase(
  garage: Garage,
  host: HostRow,
  product: Product,
  architecture: string,
  onLog?: (text: string) => void,
): Promise<void> {
  await alone(garage, host, true, async () => {
    const remote = await reachHost(garage, host);
    try {
      await refreshOver(garage, remote, product, architecture, onLog);
      await noteBases(garage, remote);
    } finally {
      remote.connection.close();
    }
  });
}

async function failedLately(
  garage: Garage,
  host: HostRow,
  product: string,
  architecture: string,
): Promise<boolean> {
  const { rowCount } = await garage.pool.query(
    `select 1 from bases where (host_id, product, architecture) = ($1, $2, $3) and error is not null
        and refreshed_at > now() - make_interval(hours => $4)`,
    [host.id, product, architecture, RETRY_HOURS],
  );
  return rowCount === 1;
}

async function refreshDue(garage: Garage, host: HostRow, stopping: AbortSignal): Promise<void> {
  const remote = await reachHost(garage, host);
  const onStop = (): void => remote.connection.close();
  stopping.addEventListener('abort', onStop, { once: true });
  try {
    for (const { product, architecture, ageHours } of await noteBases(garage, remote)) {
      if (ageHours < product.baseRefreshHours || stopping.aborted) continue;
      if (await failedLately(garage, host, product.name, architecture)) continue;
      await refreshOver(garage, remote, product, architecture).catch((error: unknown) => {
        garage.log.warn(
          { host: host.name, product: product.name, architecture, err: error },
          'a base stays old',
        );
      });
    }
    await noteBases(garage, remote);
  } finally {
    stopping.removeEventListener('abort', onStop);
    remote.connection.close();
  }
}

/** One look at every active host: notes its bases, refreshes those that are due. Never throws. */
export async function refreshRound(garage: Garage, stopping: AbortSignal): Promise<void> {
  const hosts = await activeHosts(garage.pool).catch(() => []);
  await Promise.all(
    hosts.map(async (host) => {
      try {
        await alone(garage, host, false, () => refreshDue(garage, host, stopping));
      } catch (error) {
        if (!stopping.aborted) garage.log.warn({ host: host.name, err: error }, 'bases were not looked at');
      }
    }),
  );
}

export interface BaseSchedule {
  stop(): Promise<void>;
}

/** Rounds by `garage.bases.schedule`, never two at a time. */
export function startBaseSchedule(garage: Garage): BaseSchedule {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const task = schedule(
    garage.config.bases.schedule,
    () => {
      running = refreshRound(garage, stopping.signal);
      return running;
    },
    { name: 'bases', noOverlap: true },
  );
  return {
    stop: async () => {
      stopping.abort();
      await task.destroy();
      await running;
    },
  };
}
