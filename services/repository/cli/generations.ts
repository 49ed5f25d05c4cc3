/** `autobuilder generation list` and `autobuilder diff` */
import { chooseProduct, readLimit } from '../../../shared/cli/input.ts';
import { printJson, printTable, type Cell } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import {
  comparedPackages,
  findGeneration,
  generationHistory,
  packageDifferences,
  type PackageDifference,
} from '../../../shared/protocol/generation-history.ts';
import type { Repository } from '../context.ts';
import { requireQueue } from '../indexes/release.ts';
import { withRepository } from './context.ts';

/** More packages than any archive has; a bound for memory. */
const MAX_COMPARED = 1_000_000;

interface Options {
  product?: string;
  limit?: string;
  json?: boolean;
}

export function addGenerationCommands(cli: Cli): void {
  cli.program
    .command('generation')
    .description('published states of a queue')
    .command('list <queue>')
    .description('generations, the newest first, with their snapshots as long as they are kept')
    .option('--product <name>', 'default: the only one')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((queue: string, options: Options) =>
      withRepository((repository) => listGenerations(cli, repository, queue, options)),
    );
  cli.program
    .command('diff <queue> <from> <to>')
    .description('what makes one generation of another; each by its number or its snapshot')
    .option('--product <name>', 'default: the only one')
    .option('--json', 'as JSON')
    .action((queue: string, from: string, to: string, options: Options) =>
      withRepository((repository) => showDifference(cli, repository, { queue, from, to }, options)),
    );
}

async function listGenerations(
  cli: Cli,
  repository: Repository,
  name: string,
  options: Options,
): Promise<void> {
  const queue = requireQueue(repository.common, name).name;
  const product = chooseProduct(repository.common.products, options.product).name;
  const limit = readLimit(options.limit);
  const items = await generationHistory(repository.pool, { queue, product }, { limit });
  if (options.json) return printJson(cli.output, items);
  const rows = items.map((item) => [
    ...[item.number, item.createdAt, item.status, causeText(item), item.who],
    ...[`+${String(item.added)} -${String(item.removed)}`, item.snapshot],
  ]);
  const headings = ['NUMBER', 'MADE', 'STATUS', 'WHY', 'WHO', 'PACKAGES', 'SNAPSHOT'];
  printTable(cli.output, headings, rows, `${queue} has no generation of ${product} yet`);
}

function causeText({ cause, backTo }: { cause: string; backTo: number | null }): string {
  return backTo === null ? cause : `${cause} to ${String(backTo)}`;
}

async function showDifference(
  cli: Cli,
  repository: Repository,
  asked: { queue: string; from: string; to: string },
  options: Options,
): Promise<void> {
  const queue = requireQueue(repository.common, asked.queue).name;
  const product = chooseProduct(repository.common.products, options.product).name;
  const at = { queue, product };
  const from = await findGeneration(repository.pool, at, asked.from);
  const to = await findGeneration(repository.pool, at, asked.to);
  const compared = await comparedPackages(repository.pool, at, { from, to, limit: MAX_COMPARED });
  const changes = packageDifferences(compared);
  if (options.json) return printJson(cli.output, { queue, product, from, to, changes });
  printDifferences(cli, changes, `Generations ${String(from)} and ${String(to)} hold the same`);
}

/** One line a package; `empty` where there is none. */
export function printDifferences(cli: Cli, changes: readonly PackageDifference[], empty: string): void {
  const rows: Cell[][] = changes.map((each) => [
    ...[each.change, each.name, each.kind === 'source' ? 'source' : each.architecture],
    ...[each.from, each.to, each.source],
  ]);
  printTable(cli.output, ['CHANGE', 'PACKAGE', 'ARCHITECTURE', 'FROM', 'TO', 'SOURCE'], rows, empty);
}
