/** `autobuilder sync ...`: live targets, and bringing them up to date now. */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';
import type { Repository } from '../context.ts';
import { askForSync, type Asked } from '../sync/ask.ts';
import { createRqp } from '../sync/rqp.ts';
import { readStatus, type TargetStatus } from '../sync/status.ts';
import { registerTargets, targetsOf } from '../sync/targets.ts';
import { withRepository } from './context.ts';

/** Between looks at a sync that the service carries out. */
const POLL_MS = 500;
/** A first sync of a big pool over a slow line. */
const DEFAULT_WAIT_S = 4 * 3600;

interface NowOptions {
  product?: string;
  target?: string;
  verify?: boolean;
  wait?: boolean;
  timeout?: string;
  json?: boolean;
}

/** Adds them to the program. */
export function addSyncCommands(cli: Cli): void {
  const sync = cli.program.command('sync').description('live targets: where clients fetch from');
  sync
    .command('status')
    .description('what each target has, since when it fails and why; exit code 1 when one fails')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      withRepository((repository) => showStatus(cli, repository, options.json ?? false)),
    );
  sync
    .command('now [queue]')
    .description('look at all files of the targets and bring them up to date, without waiting for a retry')
    .option('--product <name>', 'default: all')
    .option('--target <name>', 'default: all')
    .option('--verify', 'compare by content, not by size and time')
    .option('--no-wait', 'only ask for it')
    .option('--timeout <seconds>', `give up waiting then (default: ${String(DEFAULT_WAIT_S)})`)
    .option('--json', 'as JSON')
    .action((queue: string | undefined, options: NowOptions) =>
      withRepository((repository) => syncNow(cli, repository, queue, options)),
    );
}

async function showStatus(cli: Cli, repository: Repository, json: boolean): Promise<void> {
  await registerTargets(repository.pool, targetsOf(repository));
  const rows = await readStatus(repository.pool);
  if (rows.some((row) => row.failures > 0)) process.exitCode = 1;
  printStatus(cli, rows, json);
}

function printStatus(cli: Cli, rows: TargetStatus[], json: boolean): void {
  if (json) return printJson(cli.output, rows);
  const headings = [
    'TARGET',
    'QUEUE',
    'PRODUCT',
    'HEALTH',
    'GENERATION',
    'SYNCED',
    'FAILS SINCE',
    'NEXT TRY',
    'WHY',
  ];
  const table = rows.map((row) => [
    ...[row.target, row.queue, row.product, row.asked === null ? row.health : `${row.health}, asked`],
    ...[`${String(row.generation ?? 'none')}/${String(row.newest)}`, row.syncedAt, row.failingSince],
    ...[row.nextTryAt, row.error],
  ]);
  printTable(cli.output, headings, table, 'Nothing was published yet');
  const bad = rows.flatMap((row) =>
    row.hooks.filter((hook) => hook.error !== null).map((hook) => ({ ...hook, at: row })),
  );
  for (const hook of bad) {
    const { target, queue, product } = hook.at;
    cli.output.out(
      `${target} ${queue}/${product}: ${hook.label} ${hook.status} after ${String(hook.attempts)} tries: ${hook.error ?? ''}\n`,
    );
  }
}

async function syncNow(
  cli: Cli,
  repository: Repository,
  queue: string | undefined,
  options: NowOptions,
): Promise<void> {
  const { product, target, verify } = options;
  const asked = await askForSync(repository, {
    ...(queue === undefined ? {} : { queue }),
    ...(product === undefined ? {} : { product }),
    ...(target === undefined ? {} : { target }),
    ...(verify === undefined ? {} : { verify }),
  });
  if (options.wait !== false) await carryOut(cli, repository, asked, options.timeout);
  const isAsked = (row: TargetStatus): boolean =>
    asked.some(
      ({ target: each, at }) =>
        each.name === row.target && at.queue === row.queue && at.product === row.product,
    );
  const rows = (await readStatus(repository.pool)).filter(isAsked);
  if (options.wait !== false && rows.some((row) => row.failures > 0)) process.exitCode = 1;
  printStatus(cli, rows, options.json ?? false);
}

/** A service that runs takes what this process does not, and the other way round: one lock a target. */
async function carryOut(
  cli: Cli,
  repository: Repository,
  asked: readonly Asked[],
  timeoutS: string | undefined,
): Promise<void> {
  const seconds = Number(timeoutS ?? DEFAULT_WAIT_S);
  if (!(seconds > 0)) throw new AppError('timeout-invalid', '--timeout is a number of seconds');
  const ending = new AbortController();
  const late = AbortSignal.timeout(seconds * 1000);
  late.addEventListener('abort', () => ending.abort(), { once: true });
  const rqp = createRqp(repository, { signal: ending.signal });
  let told = '';
  for (;;) {
    await rqp.run();
    const open = await stillAsked(repository, asked);
    if (open.length === 0) break;
    if (late.aborted) {
      throw new AppError('sync-unfinished', `Not done after ${String(seconds)} s: ${open.join(', ')}`, {
        hint: 'It stays asked for; see autobuilder sync status.',
      });
    }
    if (open.join() !== told) cli.output.err(`waiting for ${open.join(', ')}\n`);
    told = open.join();
    await sleep(POLL_MS);
  }
  await rqp.stop();
}

/** What was neither done nor tried and failed since it was asked for. */
async function stillAsked(repository: Repository, asked: readonly Asked[]): Promise<string[]> {
  const { rows } = await repository.pool.query<{ target: string; queue: string; product: string }>(
    'select target, queue, product from sync_states where asked is not null and next_try_at is null',
  );
  const open = new Set(rows.map((row) => `${row.target} ${row.queue}/${row.product}`));
  return asked
    .map(({ target, at }) => `${target.name} ${at.queue}/${at.product}`)
    .filter((name) => open.has(name));
}
