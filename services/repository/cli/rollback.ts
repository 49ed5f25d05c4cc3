/** `autobuilder rollback` */
import { printJson } from '../../../shared/cli/output.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { transaction } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { findGeneration, generationBefore } from '../../../shared/protocol/generation-history.ts';
import { keyringPackageName } from '../../../shared/protocol/names.ts';
import { orderRollback } from '../../../shared/protocol/rollback-order.ts';
import type { Repository } from '../context.ts';
import { planRollback, type RollbackPlan } from '../generations/rollback.ts';
import { requireQueue } from '../indexes/release.ts';
import { withRepository } from './context.ts';
import { printDifferences } from './generations.ts';
import { generationOf, ORDER_TIMEOUT_S, readTimeoutMs, waitForOrder } from './wait-for-order.ts';

interface Options {
  dryRun?: boolean;
  as?: string;
  timeout?: string;
  json?: boolean;
}

export function addRollbackCommand(cli: Cli): void {
  cli.program
    .command('rollback <queue> <product> [generation]')
    .description(
      'publish what a generation held as a new one; default: what was there before the last change',
    )
    .option('--dry-run', 'say what clients would see; change nothing')
    .option(
      '--as <login>',
      'in the name of this account, with its rights; default: the admin of this machine',
    )
    .option('--timeout <seconds>', `stop waiting then (default: ${String(ORDER_TIMEOUT_S)})`)
    .option('--json', 'as JSON')
    .action((queue: string, product: string, generation: string | undefined, options: Options) =>
      withRepository((repository) => rollback(cli, repository, { queue, product, generation }, options)),
    );
}

async function rollback(
  cli: Cli,
  repository: Repository,
  asked: { queue: string; product: string; generation: string | undefined },
  options: Options,
): Promise<void> {
  const timeoutMs = readTimeoutMs(options.timeout);
  const queue = requireQueue(repository.common, asked.queue).name;
  const product = chooseProduct(repository.common.products, asked.product).name;
  const to = await chooseGeneration(repository, { queue, product }, asked.generation);
  const plan = await planRollback(repository, repository.pool, { queue, product, to, seen: null });
  if (options.dryRun === true) return showPlan(cli, plan, options);
  const request = { queue, product, to, seen: plan.from, requestedBy: options.as ?? null };
  const id = await transaction(repository.pool, (client) => orderRollback(client, request));
  const order = await waitForOrder(cli, repository, id, timeoutMs);
  if (order.status === 'refused') {
    throw new AppError(order.reason_code ?? 'rollback-refused', order.reason ?? 'The roll-back was refused');
  }
  const generation = await generationOf(repository, order);
  if (options.json) {
    return printJson(cli.output, { order: order.id, status: order.status, generation, ...planItem(plan) });
  }
  printDifferences(cli, plan.differences, '');
  cli.output.out(
    `rolled ${queue}/${product} back to generation ${String(to)}: it is generation ${String(generation)} now\n`,
  );
  warnOfDowngrades(cli, plan);
}

async function chooseGeneration(
  repository: Repository,
  at: { queue: string; product: string },
  text: string | undefined,
): Promise<number> {
  if (text !== undefined) return findGeneration(repository.pool, at, text);
  const before = await generationBefore(repository.pool, at, keyringPackageName(repository.common.name));
  if (before !== null) return before;
  throw new AppError('nothing-to-roll-back', `${at.queue} never held anything else for ${at.product}`);
}

function planItem({ queue, product, from, to, differences }: RollbackPlan): object {
  return { queue, product, from, to, changes: differences };
}

function showPlan(cli: Cli, plan: RollbackPlan, options: Options): void {
  if (options.json) return printJson(cli.output, { dryRun: true, ...planItem(plan) });
  printDifferences(cli, plan.differences, '');
  cli.output.out(
    `would roll ${plan.queue}/${plan.product} back from generation ${String(plan.from)} to ${String(plan.to)}\n`,
  );
  warnOfDowngrades(cli, plan);
}

/** apt installs what is newer, never what is older, unless it is told to. */
function warnOfDowngrades(cli: Cli, { differences }: RollbackPlan): void {
  const count = differences.filter(
    (each) => each.kind !== 'source' && (each.change === 'downgraded' || each.change === 'removed'),
  ).length;
  if (count === 0) return;
  cli.output.err(
    `note: apt neither downgrades nor removes by itself: who has installed ${count === 1 ? 'that package' : `any of these ${String(count)} packages`} keeps it until a newer version comes, or says apt install PACKAGE=VERSION\n`,
  );
}
