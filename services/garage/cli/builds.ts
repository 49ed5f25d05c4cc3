/** `autobuilder build ...` */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { wake } from '../../../shared/database/listen.ts';
import { firstRow, transaction } from '../../../shared/database/pool.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import { BUILD_TRANSITIONS, moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { whyWaiting } from '../dispatch/why.ts';
import { readId, readLimit } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { cellText, printFacts, printJson, printTable } from '../../../shared/cli/output.ts';
import { buildReading } from '../reading/reading.ts';
import { printReading } from './reading.ts';

interface BuildItem {
  id: string;
  product: string;
  source: string;
  version: string;
  architecture: string;
  binaries: string;
  status: BuildStatus;
  failClass: string | null;
  failReason: string | null;
  givenBack: number;
  updatedAt: Date;
}

interface AttemptItem {
  id: string;
  number: number;
  host: string;
  stage: string;
  exitClass: string | null;
  message: string | null;
  /** Relative to AUTOBUILDER_HOME. */
  directory: string;
  startedAt: Date;
  finishedAt: Date | null;
}

const BUILDS = `
  select b.id, s.product, s.name as source, s.version, b.architecture, b.binaries, b.status,
         b.fail_class as "failClass", b.fail_reason as "failReason", b.given_back as "givenBack",
         b.updated_at as "updatedAt"
    from builds b join sources s on s.id = b.source_id`;

interface ListOptions {
  product?: string;
  status?: string;
  source?: string;
  limit?: string;
  json?: boolean;
}

/** Adds the command group to the program. */
export function addBuildCommands(cli: Cli): void {
  const build = cli.program.command('build').description('builds and their logs');
  build
    .command('list')
    .description('builds, the newest first')
    .option('--product <name>', 'of this product only')
    .option('--source <name>', 'of this source only')
    .option('--status <word>', 'needs-build, building, installed, attempted, ...')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withGarage((garage) => listBuilds(cli, garage, options)));
  build
    .command('show <id>')
    .description('one build with its attempts')
    .option('--json', 'as JSON')
    .action((id: string, options: { json?: boolean }) =>
      withGarage((garage) => showBuild(cli, garage, readId(id), options.json ?? false)),
    );
  build
    .command('log <id>')
    .description('the log of its last attempt, as far as it is there')
    .option('--attempt <n>', 'of this attempt')
    .action((id: string, options: { attempt?: string }) =>
      withGarage((garage) => printLog(cli, garage, readId(id), options.attempt)),
    );
  build
    .command('retry <id>')
    .description('build it again: after a failure, a cancellation, or while it waits')
    .option('--keep', "keep the target for a day if it fails, for 'host shell'")
    .action((id: string, options: { keep?: boolean }) =>
      withGarage((garage) => retryBuild(cli, garage, readId(id), options.keep ?? false)),
    );
  build
    .command('why <id>')
    .description('why it is where it is, and when it may be through')
    .option('--json', 'as JSON')
    .action((id: string, options: { json?: boolean }) =>
      withGarage((garage) => explainBuild(cli, garage, readId(id), options.json ?? false)),
    );
}

async function explainBuild(cli: Cli, garage: Garage, id: string, json: boolean): Promise<void> {
  const why = await whyWaiting(garage, id, { admin: true });
  if (json) return printJson(cli.output, why);
  for (const line of [why.says, ...why.details]) cli.output.out(`${cellText(line)}\n`);
  if (!why.estimate) return;
  const { startsAt, endsAt, basis } = why.estimate;
  cli.output.out('\n');
  printFacts(cli.output, {
    ...(why.code === 'running' ? { started: startsAt } : { 'may start': startsAt }),
    'may be through': endsAt,
    'guessed from': BASES[basis],
  });
}

const BASES = {
  source: 'the last builds of this source',
  product: 'the last builds for this product',
  none: 'nothing: no build has ended yet',
} as const;

async function listBuilds(cli: Cli, garage: Garage, options: ListOptions): Promise<void> {
  const { rows } = await garage.pool.query<BuildItem>(
    `${BUILDS} where ($1::text is null or s.product = $1) and ($2::text is null or b.status = $2)
        and ($3::text is null or s.name = $3)
      order by b.id desc limit $4`,
    [options.product ?? null, options.status ?? null, options.source ?? null, readLimit(options.limit)],
  );
  if (options.json) return printJson(cli.output, rows);
  const table = rows.map((row) => [
    ...[row.id, row.product, row.source, row.version, row.architecture, row.status, row.updatedAt],
    row.failReason,
  ]);
  const headings = ['ID', 'PRODUCT', 'SOURCE', 'VERSION', 'ARCH', 'STATUS', 'SINCE', 'REASON'];
  printTable(cli.output, headings, table, 'There are no builds');
}

async function requireBuild(garage: Garage, id: string): Promise<BuildItem> {
  const { rows } = await garage.pool.query<BuildItem>(`${BUILDS} where b.id = $1`, [id]);
  return firstRow(rows, 'build-unknown', `There is no build ${id}`);
}

async function attemptsOf(garage: Garage, buildId: string): Promise<AttemptItem[]> {
  const { rows } = await garage.pool.query<AttemptItem>(
    `select t.id, t.number, h.name as host, t.stage, t.exit_class as "exitClass", t.message, t.directory,
            t.started_at as "startedAt", t.finished_at as "finishedAt"
       from attempts t join hosts h on h.id = t.host_id where t.build_id = $1 order by t.number`,
    [buildId],
  );
  return rows;
}

async function showBuild(cli: Cli, garage: Garage, id: string, json: boolean): Promise<void> {
  const build = await requireBuild(garage, id);
  const attempts = await attemptsOf(garage, id);
  const reading = await buildReading(garage, id);
  if (json) return printJson(cli.output, { ...build, attempts, reading });
  const { failClass, failReason, givenBack, updatedAt, ...facts } = build;
  printFacts(cli.output, {
    ...facts,
    ...{ since: updatedAt, failure: failClass, reason: failReason, 'given back': givenBack },
  });
  cli.output.out('\n');
  const table = attempts.map((each) => [
    ...[each.number, each.host, each.stage, each.exitClass, each.startedAt, each.finishedAt, each.message],
  ]);
  const headings = ['ATTEMPT', 'HOST', 'STAGE', 'ENDED AS', 'STARTED', 'FINISHED', 'MESSAGE'];
  printTable(cli.output, headings, table, 'It was not tried yet');
  if (reading) printReading(cli.output, reading);
}

async function printLog(cli: Cli, garage: Garage, id: string, number: string | undefined): Promise<void> {
  await requireBuild(garage, id);
  const attempts = await attemptsOf(garage, id);
  const attempt =
    number === undefined ? attempts.at(-1) : attempts.find((each) => String(each.number) === number);
  if (!attempt) throw new AppError('attempt-unknown', `Build ${id} has no attempt ${number ?? 'yet'}`);
  const file = path.join(garage.home.root, attempt.directory, 'build.log');
  try {
    for await (const chunk of createReadStream(file, 'utf8')) cli.output.out(String(chunk));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    throw new AppError('log-missing', `Attempt ${String(attempt.number)} has no log yet`, { cause: error });
  }
}

/** An admin who asks for it today looks at it today. */
const KEEP_S = 24 * 3600;

async function retryBuild(cli: Cli, garage: Garage, id: string, keep: boolean): Promise<void> {
  const { status, source, version, architecture } = await requireBuild(garage, id);
  if (!BUILD_TRANSITIONS[status].includes('needs-build')) {
    throw new AppError('build-not-retried', `Build ${id} is ${status}; it cannot be built again`);
  }
  const moved = await transaction(garage.pool, async (client) => {
    if (!(await moveBuild(client, id, status, 'needs-build'))) return false;
    // A person asked: earlier faults of machines count no more, and nothing is waited for.
    await client.query(
      'update builds set given_back = 0, not_before = now(), keep_failed_s = $2 where id = $1',
      [id, keep ? KEEP_S : 0],
    );
    await wake(client, GARAGE_CHANNEL);
    return true;
  });
  if (!moved) throw new AppError('build-moved', `Build ${id} has just changed; look again`);
  cli.output.err(`${source} ${version} on ${architecture} will be built again\n`);
}
