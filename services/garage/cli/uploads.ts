/** `autobuilder upload ...` and `autobuilder source ...` */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Garage } from '../context.ts';
import { readLimit } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printFacts, printJson, printTable } from '../../../shared/cli/output.ts';

interface ListOptions {
  product?: string;
  limit?: string;
  json?: boolean;
}

interface UploadItem {
  id: string;
  product: string;
  login: string;
  trigger: string;
  status: string;
  source: string | null;
  version: string | null;
  signedBy: string | null;
  reasonCode: string | null;
  reason: string | null;
  hint: string | null;
  warnings: string[];
  files: string[];
  arrivedAt: Date;
  decidedAt: Date | null;
  settledAt: Date | null;
  /** How often it failed by no fault of its uploader, why the last time, when it is tried again. */
  failures: number;
  lastFailure: string | null;
  retryAt: Date | null;
}

const UPLOADS = `
  select u.id, u.product, a.login, u.trigger_file as trigger, u.status, u.source, u.version,
         u.signed_by as "signedBy", u.reason_code as "reasonCode", u.reason, u.hint, u.warnings, u.files,
         u.arrived_at as "arrivedAt", u.decided_at as "decidedAt", u.settled_at as "settledAt",
         u.failures, u.last_failure as "lastFailure", u.retry_at as "retryAt"
    from uploads u join accounts a on a.id = u.account_id`;

/** Adds both command groups to the program. */
export function addUploadCommands(cli: Cli): void {
  const upload = cli.program.command('upload').description('what arrived, and what became of it');
  upload
    .command('list')
    .description('uploads, the newest first')
    .option('--product <name>', 'of this product only')
    .option('--status <word>', 'verifying, accepted or rejected')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((options: ListOptions & { status?: string }) =>
      withGarage((garage) => listUploads(cli, garage, options)),
    );
  upload
    .command('show <id>')
    .description('one upload; the first characters of its id will do')
    .option('--json', 'as JSON')
    .action((id: string, options: { json?: boolean }) =>
      withGarage((garage) => showUpload(cli, garage, id, options.json ?? false)),
    );
  cli.program
    .command('source')
    .description('accepted source packages')
    .command('list')
    .description('sources, the newest first')
    .option('--product <name>', 'of this product only')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withGarage((garage) => listSources(cli, garage, options)));
}

async function listUploads(
  cli: Cli,
  garage: Garage,
  options: ListOptions & { status?: string },
): Promise<void> {
  const { rows } = await garage.pool.query<UploadItem>(
    `${UPLOADS} where ($1::text is null or u.product = $1) and ($2::text is null or u.status = $2)
      order by u.arrived_at desc, u.id limit $3`,
    [options.product ?? null, options.status ?? null, readLimit(options.limit)],
  );
  if (options.json) return printJson(cli.output, rows);
  const table = rows.map((row) => [
    ...[row.id.slice(0, 8), row.arrivedAt, row.product, row.login, row.trigger],
    ...[row.status, row.reason ?? failureOf(row)],
  ]);
  const headings = ['ID', 'ARRIVED', 'PRODUCT', 'LOGIN', 'FILE', 'STATUS', 'REASON'];
  printTable(cli.output, headings, table, 'There are no uploads');
}

/** Why one that is not finished is not. */
function failureOf({ settledAt, failures, lastFailure }: UploadItem): string | null {
  return settledAt === null && failures > 0 ? `failed ${String(failures)} times: ${lastFailure ?? ''}` : null;
}

async function showUpload(cli: Cli, garage: Garage, id: string, json: boolean): Promise<void> {
  if (!/^[0-9a-f-]{4,36}$/.test(id)) throw new AppError('id-invalid', `'${id}' is not an upload's id`);
  const { rows } = await garage.pool.query<UploadItem>(`${UPLOADS} where u.id::text like $1 || '%' limit 2`, [
    id,
  ]);
  const [row, another] = rows;
  if (!row) throw new AppError('upload-unknown', `There is no upload '${id}'`);
  if (another) throw new AppError('id-ambiguous', `Several uploads' ids begin with '${id}'`);
  if (json) return printJson(cli.output, row);
  const { signedBy, reasonCode, arrivedAt, decidedAt, settledAt, failures, lastFailure, retryAt, ...facts } =
    row;
  printFacts(cli.output, {
    ...facts,
    ...{ 'signed by': signedBy, code: reasonCode },
    ...{ arrived: arrivedAt, decided: decidedAt, settled: settledAt },
    ...(settledAt === null && failures > 0 ? { failures, failed: lastFailure, 'next try': retryAt } : {}),
  });
}

interface SourceItem {
  id: string;
  product: string;
  source: string;
  version: string;
  component: string;
  architectures: string[];
  uploadId: string;
  directory: string;
  acceptedAt: Date;
}

async function listSources(cli: Cli, garage: Garage, options: ListOptions): Promise<void> {
  const { rows } = await garage.pool.query<SourceItem>(
    `select id, product, name as source, version, component, architectures, upload_id as "uploadId", directory,
            accepted_at as "acceptedAt"
       from sources where $1::text is null or product = $1
      order by accepted_at desc, id desc limit $2`,
    [options.product ?? null, readLimit(options.limit)],
  );
  if (options.json) return printJson(cli.output, rows);
  const table = rows.map((row) => [
    ...[row.product, row.source, row.version, row.component, row.architectures, row.acceptedAt],
  ]);
  const headings = ['PRODUCT', 'SOURCE', 'VERSION', 'COMPONENT', 'ARCHITECTURES', 'ACCEPTED'];
  printTable(cli.output, headings, table, 'There are no sources');
}
