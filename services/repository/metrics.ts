import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createMirrorMetrics, type MirrorMetrics } from './mirror/metrics.ts';
import { createSyncMetrics, type SyncMetrics } from './sync/metrics.ts';

export interface Metrics extends SyncMetrics, MirrorMetrics {
  registry: Registry;
  sets: Counter<'queue' | 'result'>;
  orders: Counter<'result'>;
  generations: Counter<'queue' | 'cause'>;
  publishSeconds: Histogram;
  /** Changes of what clients know an archive by that wait for an admin. */
  identityRefused: Gauge<'queue' | 'product'>;
  /** Files that garbage collection removed from a queue's pool. */
  poolRemoved: Counter<'queue'>;
  signatures: Counter<'result'>;
  /** Starts of the signing process after the first. */
  signerRestarts: Counter;
  /** When each published archive key ends; 0 for never. */
  keyExpires: Gauge<'fingerprint' | 'state'>;
}

function name(end: string): string {
  return `autobuilder_repository_${end}`;
}

/** Everything that /metrics shows; a registry of its own, so that tests can have several. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    sets: new Counter({
      ...{ name: name('sets_total'), help: 'Sets decided', labelNames: ['queue', 'result'], registers },
    }),
    orders: new Counter({
      ...{ name: name('orders_total'), help: 'Orders finished', labelNames: ['result'], registers },
    }),
    generations: new Counter({
      ...{
        name: name('generations_total'),
        help: 'Generations staged',
        labelNames: ['queue', 'cause'],
        registers,
      },
    }),
    identityRefused: new Gauge({
      ...{ name: name('identity_refused'), help: 'Changes of Release that wait for an admin' },
      ...{ labelNames: ['queue', 'product'], registers },
    }),
    poolRemoved: new Counter({
      ...{ name: name('pool_removed_total'), help: 'Unused pool files removed', labelNames: ['queue'] },
      registers,
    }),
    publishSeconds: new Histogram({
      ...{ name: name('publish_seconds'), help: 'From intent to switched', registers },
    }),
    signatures: new Counter({
      ...{ name: name('signatures_total'), help: 'Releases signed', labelNames: ['result'], registers },
    }),
    signerRestarts: new Counter({
      ...{ name: name('signer_restarts_total'), help: 'Signing processes that were lost', registers },
    }),
    keyExpires: new Gauge({
      ...{ name: name('key_expires_timestamp_seconds'), help: 'When an archive key ends; 0: never' },
      ...{ labelNames: ['fingerprint', 'state'], registers },
    }),
    ...createSyncMetrics(registers),
    ...createMirrorMetrics(registers),
  };
}
