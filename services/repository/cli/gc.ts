/** `autobuilder gc` */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { printJson, printTable, type Cell } from '../../../shared/cli/output.ts';
import { MAX_GRACE_HOURS } from '../config.ts';
import { collectAll, type GarbageFile, type GarbageReport } from '../upkeep/gc.ts';
import { withRepository } from './context.ts';

interface Options {
  dryRun?: boolean;
  grace?: string;
  json?: boolean;
}

export function addGcCommand(cli: Cli): void {
  cli.program
    .command('gc')
    .description('remove from the pool what no queue, kept generation or Built-Using needs any more')
    .option('--dry-run', 'say what would be removed; change nothing')
    .option('--grace <hours>', 'since when a file must be unused; default: repository.poolGraceHours')
    .option('--json', 'as JSON')
    .action((options: Options) => withRepository((repository) => collect(cli, repository, options)));
}

async function collect(
  cli: Cli,
  repository: Parameters<typeof collectAll>[0],
  options: Options,
): Promise<void> {
  const grace = options.grace === undefined ? {} : { graceHours: readHours(options.grace) };
  const isDry = options.dryRun === true;
  const reports = await collectAll(repository, { ...grace, dryRun: isDry }, (report) => {
    if (report.isBusy) cli.output.err(`${report.queue}/${report.product}: busy, left for the next time\n`);
  });
  if (reports.some((report) => report.isBusy)) process.exitCode = 1;
  if (options.json) return printJson(cli.output, reports.map(reportItem));
  const rows = reports.flatMap((report) => [
    ...report.removed.map((file) => row(report, file, isDry ? 'would go' : 'removed')),
    ...report.waiting.map((file) => row(report, file, 'waits')),
  ]);
  printTable(cli.output, HEADINGS, rows, 'Everything in the pool is needed');
  const bytes = reports.flatMap((report) => report.removed).reduce((sum, file) => sum + file.size, 0);
  const count = reports.reduce((sum, report) => sum + report.removed.length, 0);
  cli.output.out(`${isDry ? 'would remove' : 'removed'} ${String(count)} files, ${String(bytes)} bytes\n`);
}

const HEADINGS = ['QUEUE', 'PRODUCT', 'FILE', 'BYTES', 'UNUSED SINCE', 'DUE', ''];

function row(report: GarbageReport, file: GarbageFile, what: string): Cell[] {
  return [report.queue, report.product, file.path, file.size, file.unusedSince, file.dueAt, what];
}

function reportItem(report: GarbageReport): object {
  const { queue, product, removed, waiting, isBusy } = report;
  return { queue, product, busy: isBusy, removed: removed.map(fileItem), waiting: waiting.map(fileItem) };
}

function fileItem({ path, size, unusedSince, dueAt }: GarbageFile): object {
  return { path, size, unusedSince, dueAt };
}

/** Throws `hours-invalid`. */
function readHours(text: string): number {
  const hours = Number(text);
  if (text.trim() !== '' && hours >= 0 && hours <= MAX_GRACE_HOURS) return hours;
  throw new AppError(
    'hours-invalid',
    `--grace is a number of hours from 0 to ${String(MAX_GRACE_HOURS)}, not '${text}'`,
  );
}
