/** `autobuilder retention` */
import { printJson, printTable } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import type { Repository } from '../context.ts';
import { retainAll, type RetentionReport } from '../upkeep/retention/retention.ts';
import { withRepository } from './context.ts';

interface Options {
  dryRun?: boolean;
  json?: boolean;
}

export function addRetentionCommand(cli: Cli): void {
  cli.program
    .command('retention [queue]')
    .description('let old versions leave a queue, or all, by queues.<name>.retention')
    .option('--dry-run', 'say what would stay and leave, and why; change nothing')
    .option('--json', 'as JSON')
    .action((queue: string | undefined, options: Options) =>
      withRepository((repository) => retain(cli, repository, queue, options)),
    );
}

async function retain(
  cli: Cli,
  repository: Repository,
  queue: string | undefined,
  options: Options,
): Promise<void> {
  const isDry = options.dryRun === true;
  const reports = await retainAll(repository, { ...(queue === undefined ? {} : { queue }), dryRun: isDry });
  for (const report of reports.filter((each) => each.isBusy)) {
    cli.output.err(`${report.queue}/${report.product}: busy, left for the next time\n`);
    process.exitCode = 1;
  }
  if (options.json) return printJson(cli.output, reports.map(reportItem));
  const rows = reports.flatMap((report) =>
    report.verdicts.map((each) => [
      ...[report.queue, report.product, each.source, each.sourceVersion, each.architecture],
      ...[each.leaves ? (isDry ? 'would leave' : 'left') : 'stays', each.reason],
    ]),
  );
  const headings = ['QUEUE', 'PRODUCT', 'SOURCE', 'VERSION', 'ARCHITECTURE', '', 'WHY'];
  printTable(cli.output, headings, rows, 'Every queue holds the newest version of each source only');
  for (const { queue: name, product, generation } of reports) {
    if (generation !== null) cli.output.out(`${name}/${product}: generation ${String(generation)}\n`);
  }
}

function reportItem({ queue, product, isBusy, generation, verdicts }: RetentionReport): object {
  return {
    ...{ queue, product, busy: isBusy, generation },
    versions: verdicts.map(({ source, sourceVersion, architecture, packages, leaves, reason }) => ({
      ...{ source, version: sourceVersion, architecture, packages, leaves, reason },
    })),
  };
}
