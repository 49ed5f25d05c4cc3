/** Commands that order something and wait until it is done or refused. */
import { endedOrder } from '../../../shared/cli/ended-order.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { firstRow } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { OrderRow } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';

/** A publish takes seconds; a service that is down is found out in time. */
export const ORDER_TIMEOUT_S = 120;

/** `--timeout` in seconds, as milliseconds. Throws `timeout-invalid`. */
export function readTimeoutMs(text: string | undefined): number {
  const seconds = Number(text ?? ORDER_TIMEOUT_S);
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new AppError('timeout-invalid', '--timeout is a number of seconds, a day at most');
}

/** Throws `order-unfinished` when its time is over; the order itself stays. */
export async function waitForOrder(
  cli: Cli,
  repository: Repository,
  id: string,
  timeoutMs: number,
): Promise<OrderRow> {
  cli.output.err(`order ${id}\n`);
  return endedOrder(timeoutMs, async () => {
    const { rows } = await repository.pool.query<OrderRow>('select * from orders where id = $1', [id]);
    return firstRow(rows, 'order-unknown', `There is no order ${id}`);
  });
}

/** Number of the generation that came of the order, or null. */
export async function generationOf(repository: Repository, order: OrderRow): Promise<number | null> {
  const { rows } = await repository.pool.query<{ number: number }>(
    'select number from generations where id = $1',
    [order.generation_id],
  );
  return rows[0]?.number ?? null;
}
