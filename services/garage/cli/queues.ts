/** `autobuilder queue ...`, `autobuilder order ...` and `autobuilder promote` */
import { endedOrder } from '../../../shared/cli/ended-order.ts';
import { firstRow } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { OrderRow, PublishedRow } from '../../../shared/protocol/tables.ts';
import { findAccount } from '../accounts/accounts.ts';
import type { Garage } from '../context.ts';
import { hasRepository } from '../dispatch/repository-tables.ts';
import { requestPromotion } from '../orders/promote.ts';
import { chooseProduct, readLimit } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';

/** A promotion takes seconds; a queue manager that is down is found out in time. */
const DEFAULT_WAIT_S = 600;

interface PromoteOptions {
  product?: string;
  from: string;
  to: string;
  version?: string;
  as?: string;
  wait?: boolean;
  timeout?: string;
  json?: boolean;
}

/** Adds all three to the program. */
export function addQueueCommands(cli: Cli): void {
  const queue = cli.program.command('queue').description('what apt sees');
  queue
    .command('list')
    .description('queues by product, with what they hold')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      withGarage((garage) => listQueues(cli, garage, options.json ?? false)),
    );
  queue
    .command('show <queue>')
    .description('sources that a queue holds')
    .option('--product <name>', 'default: the only one')
    .option('--json', 'as JSON')
    .action((name: string, options: { product?: string; json?: boolean }) =>
      withGarage((garage) => showQueue(cli, garage, name, options)),
    );
  cli.program
    .command('order')
    .description('what people asked the repository to do')
    .command('list')
    .description('orders, the newest first')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((options: { limit?: string; json?: boolean }) =>
      withGarage((garage) => listOrders(cli, garage, options)),
    );
  cli.program
    .command('promote <source>')
    .description('take a source with all its binaries from one queue into a later one')
    .requiredOption('--from <queue>', 'where it is')
    .requiredOption('--to <queue>', 'where it shall be')
    .option('--product <name>', 'default: the only one')
    .option('--version <version>', 'this version only; default: the one that is there')
    .option(
      '--as <login>',
      'in the name of this account, with its rights; default: the admin of this machine',
    )
    .option('--wait', 'until it is done or refused')
    .option('--timeout <seconds>', `with --wait: give up then (default: ${String(DEFAULT_WAIT_S)})`)
    .option('--json', 'as JSON')
    .action((source: string, options: PromoteOptions) =>
      withGarage((garage) => promote(cli, garage, source, options)),
    );
}

async function listQueues(cli: Cli, garage: Garage, json: boolean): Promise<void> {
  const counts = new Map<string, number>();
  if (await hasRepository(garage.pool)) {
    const { rows } = await garage.pool.query<{ queue: string; product: string; sources: number }>(
      'select queue, product, count(*)::int as sources from repository.published group by queue, product',
    );
    for (const row of rows) counts.set(`${row.queue}/${row.product}`, row.sources);
  }
  const items = garage.common.products.flatMap((product) =>
    garage.common.queues.map((queue) => ({
      ...{ queue: queue.name, product: product.name, notAutomatic: queue.notAutomatic },
      sources: counts.get(`${queue.name}/${product.name}`) ?? 0,
      url: `${garage.config.repositoryUrl.replace(/\/+$/, '')}/${queue.name}`,
    })),
  );
  if (json) return printJson(cli.output, items);
  const table = items.map((item) => [item.queue, item.product, item.sources, item.url]);
  printTable(cli.output, ['QUEUE', 'PRODUCT', 'SOURCES', 'ADDRESS'], table, 'There are no queues');
}

async function showQueue(
  cli: Cli,
  garage: Garage,
  name: string,
  options: { product?: string; json?: boolean },
): Promise<void> {
  const product = chooseProduct(garage.common.products, options.product);
  const queue = garage.common.queues.find((each) => each.name === name);
  if (!queue) {
    throw new AppError('queue-unknown', `There is no queue '${name}'`, {
      hint: `Known: ${garage.common.queues.map((each) => each.name).join(', ')}`,
    });
  }
  await requireRepository(garage);
  const { rows } = await garage.pool.query<PublishedRow>(
    'select * from repository.published where queue = $1 and product = $2 order by source',
    [queue.name, product.name],
  );
  const items = rows.map(({ source_version: version, ...row }) => ({ ...row, version }));
  if (options.json) return printJson(cli.output, items);
  const table = items.map((item) => [
    item.source,
    item.version,
    item.component,
    item.architectures,
    item.since,
  ]);
  const headings = ['SOURCE', 'VERSION', 'COMPONENT', 'ARCHITECTURES', 'SINCE'];
  printTable(cli.output, headings, table, `${name} holds nothing for ${product.name}`);
}

async function requireRepository(garage: Garage): Promise<void> {
  if (await hasRepository(garage.pool)) return;
  throw new AppError('repository-not-started', 'The repository service has not run here yet', {
    hint: 'Start it; it makes its tables.',
  });
}

function orderItem(row: OrderRow): Record<string, string | number | Date | null> {
  return {
    ...{ id: row.id, kind: row.kind, product: row.product, source: row.source, version: row.source_version },
    ...{ from: row.from_queue, to: row.to_queue, requestedBy: row.requested_by, status: row.status },
    toGeneration: row.kind === 'rollback' ? row.to_generation : null,
    ...{ reasonCode: row.reason_code, reason: row.reason },
    ...{ requestedAt: row.requested_at, finishedAt: row.finished_at },
  };
}

async function listOrders(
  cli: Cli,
  garage: Garage,
  options: { limit?: string; json?: boolean },
): Promise<void> {
  await requireRepository(garage);
  const { rows } = await garage.pool.query<OrderRow>(
    'select * from repository.orders order by id desc limit $1',
    [readLimit(options.limit)],
  );
  if (options.json) return printJson(cli.output, rows.map(orderItem));
  const table = rows.map((row) => [
    ...[row.id, row.requested_at, row.requested_by ?? 'admin', row.product, row.source, row.source_version],
    ...[wayOf(row), row.status, row.reason],
  ]);
  const headings = ['ID', 'ORDERED', 'BY', 'PRODUCT', 'SOURCE', 'VERSION', 'WAY', 'STATUS', 'REASON'];
  printTable(cli.output, headings, table, 'There are no orders');
}

function wayOf(row: OrderRow): string {
  if (row.kind === 'rollback') return `${row.to_queue} back to ${String(row.to_generation)}`;
  return row.kind === 'remove' ? `out of ${row.to_queue}` : `${row.from_queue} -> ${row.to_queue}`;
}

async function promote(cli: Cli, garage: Garage, source: string, options: PromoteOptions): Promise<void> {
  const product = chooseProduct(garage.common.products, options.product).name;
  const login = options.as ?? null;
  if (login !== null && !(await findAccount(garage, login))) {
    throw new AppError('account-unknown', `There is no account '${login}', or it is disabled`);
  }
  const version = options.version === undefined ? {} : { version: options.version };
  const { from, to } = options;
  const id = await requestPromotion(garage, { product, source, ...version, from, to, requestedBy: login });
  const order = options.wait ? await waitForOrder(garage, id, options.timeout) : await readOrder(garage, id);
  if (order.status === 'refused') {
    throw new AppError(order.reason_code ?? 'promotion-refused', order.reason ?? 'The promotion was refused');
  }
  if (options.json) return printJson(cli.output, orderItem(order));
  const way = `${source} from ${from} to ${to} for ${product}`;
  cli.output.out(order.status === 'done' ? `promoted ${way}\n` : `order ${id}: ${way} is ${order.status}\n`);
}

async function readOrder(garage: Garage, id: string): Promise<OrderRow> {
  const { rows } = await garage.pool.query<OrderRow>('select * from repository.orders where id = $1', [id]);
  return firstRow(rows, 'order-unknown', `There is no order ${id}`);
}

/** Throws `order-unfinished` when its time is over; the order itself stays. */
async function waitForOrder(garage: Garage, id: string, timeoutS: string | undefined): Promise<OrderRow> {
  const seconds = Number(timeoutS ?? DEFAULT_WAIT_S);
  if (!(seconds > 0)) throw new AppError('timeout-invalid', '--timeout is a number of seconds');
  return endedOrder(seconds * 1000, () => readOrder(garage, id));
}
