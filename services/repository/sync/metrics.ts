/** What /metrics tells of live targets. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Queryable } from '../../../shared/database/pool.ts';

type Place = 'target' | 'queue' | 'product';

export interface SyncMetrics {
  syncs: Counter<'result' | 'target'>;
  syncSeconds: Histogram;
  /** Queues that a target is not up to date with. */
  syncsWaiting: Gauge<'target'>;
  hooks: Counter<'result'>;
  targetGeneration: Gauge<Place>;
  /** Generations staged and not there. */
  targetBehind: Gauge<Place>;
  targetFailures: Gauge<Place>;
  /** Seconds since 1970. */
  targetSynced: Gauge<Place>;
}

function name(end: string): string {
  return `autobuilder_repository_${end}`;
}

export function createSyncMetrics(registers: Registry[]): SyncMetrics {
  const places = ['target', 'queue', 'product'] as const;
  const gauge = (end: string, help: string): Gauge<Place> =>
    new Gauge({ ...{ name: name(end), help, registers }, labelNames: places });
  return {
    syncs: new Counter({
      ...{ name: name('syncs_total'), help: 'Syncs to live', registers },
      labelNames: ['result', 'target'],
    }),
    syncSeconds: new Histogram({
      ...{ name: name('sync_seconds'), help: 'One sync to one target', registers },
    }),
    syncsWaiting: new Gauge({
      ...{ name: name('syncs_waiting'), help: 'Queues that wait for a sync', registers },
      labelNames: ['target'],
    }),
    hooks: new Counter({
      ...{
        name: name('hooks_total'),
        help: 'Calls of hooks after a sync',
        labelNames: ['result'],
        registers,
      },
    }),
    targetGeneration: gauge('target_generation', 'Newest generation that a target has'),
    targetBehind: gauge('target_behind_generations', 'Generations staged that a target has not'),
    targetFailures: gauge('target_failures', 'Syncs to a target that failed in a row'),
    targetSynced: gauge('target_synced_timestamp_seconds', 'Last sync to a target that succeeded'),
  };
}

/** Fills in the gauges; called at each scrape. */
export async function observeTargets(database: Queryable, metrics: SyncMetrics): Promise<void> {
  const { rows } = await database.query<{
    target: string;
    queue: string;
    product: string;
    generation: number;
    behind: number;
    failures: number;
    synced: number;
  }>(
    `select t.name as target, g.queue, g.product, coalesce(s.generation, 0) as generation,
            g.number - coalesce(s.generation, 0) as behind, coalesce(s.failures, 0) as failures,
            coalesce(extract(epoch from s.synced_at), 0)::float8 as synced
       from sync_targets t join newest_generations g on g.queue = any(t.queues)
       left join sync_states s on s.target = t.name and s.queue = g.queue and s.product = g.product`,
  );
  for (const gauge of [metrics.targetGeneration, metrics.targetBehind]) gauge.reset();
  for (const gauge of [metrics.targetFailures, metrics.targetSynced]) gauge.reset();
  for (const { target, queue, product, ...row } of rows) {
    const at = { target, queue, product };
    metrics.targetGeneration.set(at, row.generation);
    metrics.targetBehind.set(at, Math.max(0, row.behind));
    metrics.targetFailures.set(at, row.failures);
    metrics.targetSynced.set(at, row.synced);
  }
}
