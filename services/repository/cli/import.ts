/** `autobuilder import` */
import { Argument } from 'commander';
import { chooseProduct } from '../../../shared/cli/input.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import type { Repository } from '../context.ts';
import type { ImportSource } from '../import/candidate.ts';
import { IMPORT_KINDS, openSource, type SourceOptions } from '../import/open-source.ts';
import type { PlaceMode } from '../import/place-file.ts';
import { createProgress } from '../import/progress.ts';
import { proposedConfiguration } from '../import/proposal.ts';
import { importRepository, type ImportReport } from '../import/run.ts';
import { requireQueue } from '../indexes/release.ts';
import { withRepository } from './context.ts';

/** Problems that the table shows; `--json` has them all. */
const SHOWN_PROBLEMS = 50;

interface Options extends SourceOptions {
  queue?: string;
  product?: string;
  link?: boolean;
  copy?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function addImportCommand(cli: Cli): void {
  cli.program
    .command('import')
    .description('bring an existing repository into a queue: docs/import.md')
    .addArgument(new Argument('<kind>', 'what it is').choices([...IMPORT_KINDS]))
    .argument('<path>', "reprepro's base folder, aptly's rootDir, an archive tree or any folder of packages")
    .option('--queue <name>', 'where it goes; default: the last one')
    .option('--product <name>', 'default: the only one')
    .option('--distribution <codename>', 'of several that are published there')
    .option('--repo <name>', "aptly's local repo, by the aptly program")
    .option('--snapshot <name>', "aptly's snapshot, by the aptly program")
    .option('--link', 'hard links, never copies; default: links where nobody else can write to the file')
    .option('--copy', 'copies, never hard links')
    .option('--dry-run', 'read and check everything, say what would be taken, publish nothing')
    .option('--json', 'as JSON')
    .action((kind: ImportSource['kind'], root: string, options: Options) =>
      withRepository((repository) => runImport(cli, repository, { kind, root, options })),
    );
}

async function runImport(
  cli: Cli,
  repository: Repository,
  { kind, root, options }: { kind: ImportSource['kind']; root: string; options: Options },
): Promise<void> {
  const product = chooseProduct(repository.common.products, options.product);
  const last = repository.common.queues.at(-1)?.name ?? '';
  const queue = requireQueue(repository.common, options.queue ?? last);
  const source = await openSource(kind, root, options);
  const progress = createProgress(cli.output, process.stderr.isTTY);
  const dryRun = options.dryRun === true;
  try {
    const report = await importRepository(repository, source, {
      ...{ queue: queue.name, product: product.name, who: null, dryRun, mode: modeOf(options) },
      onProgress: progress.show,
    });
    progress.end();
    const proposal = proposedConfiguration(source.facts, { name: repository.common.name, queue, product });
    if (options.json) {
      printJson(cli.output, { queue: queue.name, product: product.name, dryRun, ...report, proposal });
    } else printReport(cli, report, { queue: queue.name, product: product.name, dryRun, proposal });
    if (report.refused > 0) process.exitCode = 1;
  } finally {
    progress.end();
  }
}

function modeOf({ link, copy }: Options): PlaceMode {
  if (copy === true) return 'copy';
  return link === true ? 'link' : 'auto';
}

function printReport(
  cli: Cli,
  report: ImportReport,
  run: { queue: string; product: string; dryRun: boolean; proposal: string | null },
): void {
  const shown = report.problems.slice(0, SHOWN_PROBLEMS);
  if (shown.length > 0) {
    const rows = shown.map(({ code, path, reason }) => [code, path, reason]);
    printTable(cli.output, ['CODE', 'PATH', 'REASON'], rows, '');
  }
  const rest = report.refused + report.older - shown.length;
  if (rest > 0) cli.output.out(`and ${String(rest)} more; --json has them\n`);
  if (run.proposal !== null) {
    cli.output.out(`\nWhat it was to its clients, for autobuilder.yaml:\n\n${run.proposal}\n`);
  }
  const at = `${run.queue}/${run.product}`;
  cli.output.out(
    `found ${String(report.found)}, took ${String(report.taken)}, left ${String(report.older)} older ones, refused ${String(report.refused)}\n`,
  );
  if (run.dryRun) cli.output.out(`dry run: nothing was published to ${at}\n`);
  else if (report.generation === null) cli.output.out(`${at} has all of it already\n`);
  else {
    const changes = `${String(report.added)} packages came, ${String(report.removed)} left`;
    cli.output.out(`${at} is generation ${String(report.generation)}: ${changes}\n`);
  }
}
