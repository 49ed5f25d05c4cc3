/** `autobuilder checks ...`: what was found when built packages were tried. */
import { createReadStream } from 'node:fs';
import { firstRow } from '../../../shared/database/pool.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { retryCheck } from '../checks/retry.ts';
import type { CheckStatus } from '../checks/rows.ts';
import type { Garage } from '../context.ts';
import { readId, readLimit } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { cellText, printFacts, printJson, printTable } from '../../../shared/cli/output.ts';

interface CheckItem {
  id: string;
  buildId: string;
  product: string;
  source: string;
  version: string;
  architecture: string;
  attempt: number;
  name: string;
  blocking: boolean;
  status: CheckStatus;
  message: string | null;
  report: string[];
  host: string | null;
  /** Relative to AUTOBUILDER_HOME. */
  log: string;
  startedAt: Date | null;
  finishedAt: Date | null;
}

const CHECKS = `
  select c.id, c.build_id as "buildId", s.product, s.name as source, s.version, b.architecture,
         a.number as attempt, c.name, c.blocking, c.status, c.message, c.report, h.name as host, c.log,
         c.started_at as "startedAt", c.finished_at as "finishedAt"
    from checks c
    join builds b on b.id = c.build_id
    join sources s on s.id = b.source_id
    join attempts a on a.id = c.attempt_id
    left join hosts h on h.id = c.host_id`;

interface ListOptions {
  product?: string;
  source?: string;
  build?: string;
  name?: string;
  status?: string;
  limit?: string;
  json?: boolean;
}

/** Adds the command group to the program. */
export function addCheckCommands(cli: Cli): void {
  const checks = cli.program.command('checks').description('checks of what was built, and what they found');
  checks
    .command('list')
    .description('checks, the newest first')
    .option('--product <name>', 'of this product only')
    .option('--source <name>', 'of this source only')
    .option('--build <id>', 'of this build only')
    .option('--name <check>', 'install, lintian, autopkgtest, piuparts or rebuild')
    .option('--status <word>', 'waiting, running, passed, failed, error or cancelled')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withGarage((garage) => listChecks(cli, garage, options)));
  checks
    .command('show <id>')
    .description('one check with what it found')
    .option('--log', 'its log instead')
    .option('--json', 'as JSON')
    .action((id: string, options: { log?: boolean; json?: boolean }) =>
      withGarage((garage) => showCheck(cli, garage, readId(id), options)),
    );
  checks
    .command('retry <id>')
    .description('run it again; a build that a blocking check ended waits for it again')
    .action((id: string) =>
      withGarage(async (garage) => {
        const { name, build } = await retryCheck(garage, readId(id));
        cli.output.err(`Check ${name} of build ${build} will be run again\n`);
      }),
    );
}

async function listChecks(cli: Cli, garage: Garage, options: ListOptions): Promise<void> {
  const { rows } = await garage.pool.query<CheckItem>(
    `${CHECKS}
      where ($1::text is null or s.product = $1) and ($2::text is null or s.name = $2)
        and ($3::bigint is null or c.build_id = $3) and ($4::text is null or c.name = $4)
        and ($5::text is null or c.status = $5)
      order by c.id desc limit $6`,
    [
      ...[options.product ?? null, options.source ?? null],
      ...[options.build === undefined ? null : readId(options.build), options.name ?? null],
      ...[options.status ?? null, readLimit(options.limit)],
    ],
  );
  if (options.json) return printJson(cli.output, rows);
  const table = rows.map((row) => [
    ...[row.id, row.buildId, row.product, row.source, row.version, row.architecture, row.name],
    ...[row.blocking ? 'blocking' : 'informative', row.status, row.finishedAt, row.message],
  ]);
  const headings = [
    'ID',
    'BUILD',
    'PRODUCT',
    'SOURCE',
    'VERSION',
    'ARCH',
    'CHECK',
    'MODE',
    'STATUS',
    'ENDED',
  ];
  printTable(cli.output, [...headings, 'MESSAGE'], table, 'There are no checks');
}

async function showCheck(
  cli: Cli,
  garage: Garage,
  id: string,
  options: { log?: boolean; json?: boolean },
): Promise<void> {
  const { rows } = await garage.pool.query<CheckItem>(`${CHECKS} where c.id = $1`, [id]);
  const check = firstRow(rows, 'check-unknown', `There is no check ${id}`);
  if (options.log) return printLog(cli, garage, check);
  if (options.json) return printJson(cli.output, check);
  const { report, blocking, buildId, startedAt, finishedAt, ...facts } = check;
  printFacts(cli.output, {
    ...{ ...facts, build: buildId, mode: blocking ? 'blocking' : 'informative' },
    ...{ started: startedAt, finished: finishedAt },
  });
  if (report.length > 0) cli.output.out(`\n${report.map((line) => `${cellText(line)}\n`).join('')}`);
}

async function printLog(cli: Cli, garage: Garage, check: CheckItem): Promise<void> {
  try {
    const file = joinInside(garage.home.root, check.log);
    for await (const chunk of createReadStream(file, 'utf8')) cli.output.out(String(chunk));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    throw new AppError('log-missing', `Check ${check.id} has no log yet`, { cause: error });
  }
}
