/** `autobuilder remove` */
import { chooseProduct } from '../../../shared/cli/input.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { transaction } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { orderRemoval } from '../../../shared/protocol/removal-order.ts';
import type { Repository } from '../context.ts';
import { requireQueue } from '../indexes/release.ts';
import { lossText, planRemoval, type Removal, type RemovalPlan } from '../promotion/removal.ts';
import { withRepository } from './context.ts';
import { generationOf, ORDER_TIMEOUT_S, readTimeoutMs, waitForOrder } from './wait-for-order.ts';

interface Options {
  product?: string;
  dryRun?: boolean;
  force?: boolean;
  as?: string;
  timeout?: string;
  json?: boolean;
}

export function addRemoveCommand(cli: Cli): void {
  cli.program
    .command('remove <queue> <source> [version]')
    .description('take a source with its binaries out of a queue; default: every version')
    .option('--product <name>', 'default: the only one')
    .option('--dry-run', 'say what would leave and what could not be installed any more; change nothing')
    .option('--force', 'also when something that stays could not be installed or built without it')
    .option(
      '--as <login>',
      'in the name of this account, with its rights; default: the admin of this machine',
    )
    .option('--timeout <seconds>', `stop waiting then (default: ${String(ORDER_TIMEOUT_S)})`)
    .option('--json', 'as JSON')
    .action((queue: string, source: string, version: string | undefined, options: Options) =>
      withRepository((repository) => {
        const product = chooseProduct(repository.common.products, options.product).name;
        const wanted = { queue, product, source, version: version ?? null };
        return remove(cli, repository, wanted, options);
      }),
    );
}

async function remove(cli: Cli, repository: Repository, wanted: Removal, options: Options): Promise<void> {
  const timeoutMs = readTimeoutMs(options.timeout);
  requireQueue(repository.common, wanted.queue);
  const plan = await planRemoval(repository, repository.pool, wanted);
  if (options.dryRun === true) return showPlan(cli, wanted, plan, options);
  const request = { ...wanted, force: options.force === true, requestedBy: options.as ?? null };
  const id = await transaction(repository.pool, (client) => orderRemoval(client, request));
  const order = await waitForOrder(cli, repository, id, timeoutMs);
  if (order.status === 'refused') {
    throw new AppError(order.reason_code ?? 'removal-refused', order.reason ?? 'The removal was refused');
  }
  const generation = await generationOf(repository, order);
  if (options.json) {
    return printJson(cli.output, { order: id, status: order.status, generation, ...planItem(wanted, plan) });
  }
  printLosses(cli, plan);
  cli.output.out(
    `removed ${wanted.source} from ${wanted.queue}/${wanted.product}: it is generation ${String(generation)} now\n`,
  );
}

function planItem(wanted: Removal, { remove: leaving, losses }: RemovalPlan): object {
  return {
    ...wanted,
    packages: leaving.map(({ kind, name, version, architecture }) => ({ kind, name, version, architecture })),
    uninstallable: losses,
  };
}

function showPlan(cli: Cli, wanted: Removal, plan: RemovalPlan, options: Options): void {
  if (options.json) return printJson(cli.output, { dryRun: true, ...planItem(wanted, plan) });
  const rows = plan.remove.map((each) => [each.kind, each.name, each.version, each.architecture]);
  printTable(cli.output, ['KIND', 'PACKAGE', 'VERSION', 'ARCHITECTURE'], rows, '');
  printLosses(cli, plan);
  const harm =
    plan.losses.length === 0
      ? 'everything that stays could be installed and built as before'
      : `refused without --force: ${String(plan.losses.length)} of what stays could not be installed or built any more`;
  cli.output.out(
    `would remove ${String(rows.length)} packages from ${wanted.queue}/${wanted.product}; ${harm}\n`,
  );
}

function printLosses(cli: Cli, { losses }: RemovalPlan): void {
  for (const loss of losses) cli.output.err(`uninstallable without it: ${lossText(loss)}\n`);
}
