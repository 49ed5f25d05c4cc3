import { Counter, Gauge, type Registry } from 'prom-client';

/** What /metrics shows of mirrors. */
export interface MirrorMetrics {
  mirrorUpdates: Counter<'mirror' | 'result'>;
  /** Fetched from other archives. */
  mirrorBytes: Counter<'mirror'>;
  /** Seconds since 1970; 0: never. */
  mirrorSucceeded: Gauge<'mirror'>;
  /** 1: its last update failed. */
  mirrorFailing: Gauge<'mirror'>;
}

function named(end: string, help: string): { name: string; help: string } {
  return { name: `autobuilder_repository_mirror_${end}`, help };
}

export function createMirrorMetrics(registers: Registry[]): MirrorMetrics {
  return {
    mirrorUpdates: new Counter({
      ...named('updates_total', 'Updates of mirrors ended'),
      ...{ labelNames: ['mirror', 'result'], registers },
    }),
    mirrorBytes: new Counter({
      ...named('fetched_bytes_total', 'Bytes fetched for mirrors'),
      ...{ labelNames: ['mirror'], registers },
    }),
    mirrorSucceeded: new Gauge({
      ...named('succeeded_timestamp_seconds', 'When a mirror was brought up to date last; 0: never'),
      ...{ labelNames: ['mirror'], registers },
    }),
    mirrorFailing: new Gauge({
      ...named('failing', 'Mirrors whose last update failed'),
      ...{ labelNames: ['mirror'], registers },
    }),
  };
}
