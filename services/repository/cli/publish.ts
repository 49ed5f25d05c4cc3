/** `autobuilder publish` */
import { printJson, printTable, type Cell } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import type { Repository } from '../context.ts';
import { newestGeneration } from '../generations/rows.ts';
import { sweepQueue } from '../incoming/manager.ts';
import { requireProduct, requireQueue } from '../indexes/release.ts';
import { queueProducts } from '../places.ts';
import { withRepository } from './context.ts';

interface Options {
  product?: string;
  json?: boolean;
}

interface Swept {
  queue: string;
  product: string;
  /** Whether this run published. */
  published: boolean;
  /** What is published now; null before the first. */
  generation: number | null;
}

/** Generations in one run of one queue and product: sets that keep coming must not keep it from ending. */
const MAX_ROUNDS = 20;

export function addPublishCommand(cli: Cli): void {
  cli.program
    .command('publish [queue]')
    .description('take what waits in incoming and publish what is due, as the service does by itself')
    .option('--product <name>', 'default: all')
    .option('--json', 'as JSON')
    .action((queue: string | undefined, options: Options) =>
      withRepository((repository) => publishWaiting(cli, repository, queue, options)),
    );
}

async function publishWaiting(
  cli: Cli,
  repository: Repository,
  queue: string | undefined,
  options: Options,
): Promise<void> {
  if (queue !== undefined) requireQueue(repository.common, queue);
  if (options.product !== undefined) requireProduct(repository.common, options.product);
  const swept: Swept[] = [];
  for (const at of queueProducts(repository.common)) {
    if (at.queue !== (queue ?? at.queue) || at.product !== (options.product ?? at.product)) continue;
    const before = await newestGeneration(repository.pool, at);
    for (let round = 0; round < MAX_ROUNDS && (await sweepQueue(repository, at)); round += 1);
    const after = await newestGeneration(repository.pool, at);
    const generation = after?.number ?? null;
    swept.push({ ...at, published: generation !== (before?.number ?? null), generation });
  }
  if (options.json) return printJson(cli.output, swept);
  const rows = swept.map((each): Cell[] => [each.queue, each.product, each.generation, each.published]);
  printTable(cli.output, ['QUEUE', 'PRODUCT', 'GENERATION', 'NEW'], rows, 'There is no such queue');
}
