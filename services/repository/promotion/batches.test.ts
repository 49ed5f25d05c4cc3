import { describe, expect, test } from 'vitest';
import type { OrderRow } from '../../../shared/protocol/tables.ts';
import { batches } from './batches.ts';

let id = 0;
const base = { status: 'requested', reason_code: null, reason: null, requested_by: null } as const;
const times = { requested_at: new Date(), finished_at: null, generation_id: null } as const;

function promote(source: string, to: string, product = 'bookworm'): OrderRow {
  const from = to === 'stable' ? 'testing' : 'devel';
  return {
    ...{ kind: 'promote', ...base, ...times, id: String((id += 1)), product, source, source_version: null },
    ...{ from_queue: from, to_queue: to },
  };
}

function rollBack(queue: string): OrderRow {
  return {
    ...{ kind: 'rollback', ...base, ...times, id: String((id += 1)), product: 'bookworm' },
    ...{ source: null, source_version: null, from_queue: queue, to_queue: queue },
    ...{ to_generation: 1, from_generation: null },
  };
}

function shape(orders: OrderRow[]): string[] {
  return batches(orders).map(
    (batch) => `${batch.queue}: ${batch.orders.map((order) => order.source ?? 'back').join(' ')}`,
  );
}

describe('batches of orders', () => {
  test.each([
    ['none', [], []],
    ['one target', [promote('a', 'testing'), promote('b', 'testing')], ['testing: a b']],
    [
      'two targets that take turns',
      [promote('a', 'testing'), promote('x', 'stable'), promote('b', 'testing'), promote('y', 'stable')],
      ['testing: a b', 'stable: x y'],
    ],
    [
      'a source on its way through both, then again',
      [promote('a', 'testing'), promote('a', 'stable'), promote('a', 'testing'), promote('b', 'stable')],
      ['testing: a', 'stable: a b', 'testing: a'],
    ],
    [
      'a source that goes on before a newer one comes',
      [promote('b', 'testing'), promote('a', 'stable'), promote('a', 'testing')],
      ['testing: b', 'stable: a', 'testing: a'],
    ],
    [
      'a roll-back between',
      [promote('a', 'testing'), rollBack('testing'), promote('b', 'testing'), promote('c', 'stable')],
      ['testing: a', 'testing: back', 'testing: b', 'stable: c'],
    ],
    ['two roll-backs', [rollBack('testing'), rollBack('testing')], ['testing: back', 'testing: back']],
    [
      'products do not mix',
      [promote('a', 'testing'), promote('a', 'testing', 'trixie'), promote('b', 'testing')],
      ['testing: a b', 'testing: a'],
    ],
  ])('%s', (_what, orders, expected) => {
    expect(shape(orders)).toEqual(expected);
  });
});
