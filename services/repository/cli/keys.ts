/** `autobuilder key ...`: the archive's keys, and their rotation step by step. */
import { printJson, printTable, type Output } from '../../../shared/cli/output.ts';
import { readLimit } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { wake } from '../../../shared/database/listen.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { REPOSITORY_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { signingHealth } from '../signing/health.ts';
import { keepKeys } from '../signing/keeper.ts';
import type { AuditEntry, KeyChange, KeyView } from '../signing/protocol.ts';
import { day, nextStep } from '../signing/states.ts';
import { withRepository } from './context.ts';

interface ListOptions {
  json?: boolean;
}

interface ChangeOptions extends ListOptions {
  force?: boolean;
  dryRun?: boolean;
  days?: string;
}

/** Adds the command group. */
export function addKeyCommands(cli: Cli): void {
  const key = cli.program
    .command('key')
    .description('the keys that sign the repository: new -> announced -> active -> retired');
  key
    .command('list')
    .description('every key with its state, and when it ends')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withRepository((repository) => list(cli, repository, options)));
  key
    .command('status')
    .description('whether signatures come, and the next step of a rotation')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withRepository((repository) => status(cli, repository, options)));
  key
    .command('new')
    .description('make a key; nothing uses it yet')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withRepository((repository) => create(cli, repository, options)));
  addChanges(cli, key);
  key
    .command('export [key]')
    .description('public keys, armored: one, or all that clients should know')
    .action((end: string | undefined) => withRepository((repository) => exportKeys(cli, repository, end)));
  key
    .command('audit')
    .description('what was signed and changed, the newest first')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((options: ListOptions & { limit?: string }) =>
      withRepository((repository) => audit(cli, repository, options)),
    );
}

const CHANGES = [
  [
    'announce',
    'announced',
    'publish a new key in the keyring and its package, so that clients get to know it',
  ],
  ['activate', 'active', 'let an announced key sign beside the others'],
  ['retire', 'retired', 'stop signing with a key and take it out of the keyring'],
  ['extend', 'extended', 'let a key end later; the same key, which clients take from the keyring'],
] as const;

function addChanges(cli: Cli, key: Cli['program']): void {
  for (const [name, to, description] of CHANGES) {
    const command = key
      .command(`${name} <key>`)
      .description(description)
      .option('--dry-run', 'say what would follow; change nothing')
      .option('--json', 'as JSON');
    if (name === 'extend') {
      command.option('--days <n>', 'from now; default: repository.keyDays');
      command.option('--force', 'also when it ends later than that, or never');
    } else command.option('--force', 'before its time: when a key is in wrong hands');
    command.action((end: string, options: ChangeOptions) =>
      withRepository((repository) => change(cli, repository, { end, to }, options)),
    );
  }
}

async function list(cli: Cli, repository: Repository, options: ListOptions): Promise<void> {
  const { keys, signing } = await repository.signer.refresh();
  if (options.json)
    return printJson(
      cli.output,
      keys.map((key) => keyItem(key, signing)),
    );
  const rows = keys.map((key) => [
    ...[key.fingerprint, key.state, signing.includes(key.fingerprint), key.backend],
    ...[
      key.createdAt.slice(0, 10),
      key.expiresAt === null ? 'never' : key.expiresAt.slice(0, 10),
      key.problem,
    ],
  ]);
  const headings = ['FINGERPRINT', 'STATE', 'SIGNS', 'HELD BY', 'MADE', 'ENDS', 'PROBLEM'];
  printTable(cli.output, headings, rows, 'There are no keys');
}

function keyItem(key: KeyView, signing: readonly string[]): object {
  const { publicArmored, ...facts } = key;
  return { ...facts, signs: signing.includes(key.fingerprint), publicKey: publicArmored };
}

async function status(cli: Cli, repository: Repository, options: ListOptions): Promise<void> {
  const { signer, config } = repository;
  const keyring = await signer.refresh();
  const now = repository.now();
  const health = signingHealth(signer, now);
  const next = nextStep(keyring.keys, config.rotation, now);
  if (health.trouble) process.exitCode = 1;
  const { trouble, warnings } = health;
  if (options.json) {
    return printJson(cli.output, {
      signing: keyring.signing,
      version: keyring.version,
      trouble,
      warnings,
      next,
    });
  }
  cli.output.out(`signing with ${keyring.signing.join(', ')}\n`);
  cli.output.out(`keyring ${keyring.version}: ${String(countPublished(keyring.keys))} keys\n`);
  if (trouble) cli.output.out(`NOT SIGNING since ${trouble.since}: ${trouble.message}\n`);
  for (const warning of warnings) cli.output.out(`warning: ${warning}\n`);
  cli.output.out(`${next}\n`);
}

function countPublished(keys: readonly KeyView[]): number {
  return keys.filter((key) => key.state === 'announced' || key.state === 'active').length;
}

async function create(cli: Cli, repository: Repository, options: ListOptions): Promise<void> {
  const made = await repository.signer.ask('create', {});
  const { keys } = await repository.signer.refresh();
  await publishChange(cli.output, repository);
  const key = keys.find((each) => each.fingerprint === made.fingerprint);
  const next = nextStep(keys, repository.config.rotation, repository.now());
  if (options.json) return printJson(cli.output, { ...(key ? keyItem(key, []) : {}), next });
  const end = key?.expiresAt ?? null;
  cli.output.out(
    `made ${made.fingerprint}${end === null ? '' : `, good until ${day(new Date(end))}`}\n${next}\n`,
  );
}

async function change(
  cli: Cli,
  repository: Repository,
  { end, to }: { end: string; to: KeyChange['to'] },
  options: ChangeOptions,
): Promise<void> {
  const dryRun = options.dryRun === true;
  const { fingerprint, warnings } = await repository.signer.ask('change', {
    ...{ key: readKeyEnd(end), to, dryRun, force: options.force === true },
    ...(options.days === undefined ? {} : { days: readDays(options.days) }),
  });
  const { keys } = await repository.signer.refresh();
  if (!dryRun) await publishChange(cli.output, repository);
  const next = nextStep(keys, repository.config.rotation, repository.now());
  if (options.json) return printJson(cli.output, { fingerprint, to, dryRun, warnings, next });
  for (const warning of warnings) cli.output.err(`warning: ${warning}\n`);
  const key = keys.find((each) => each.fingerprint === fingerprint);
  const until = to === 'extended' && key?.expiresAt ? ` until ${day(new Date(key.expiresAt))}` : '';
  cli.output.out(dryRun ? `${fingerprint} would be ${to}\n` : `${fingerprint} is ${to}${until}\n${next}\n`);
}

/** What clients see follows at once, also where no service runs; the service signs anew when it is woken. */
async function publishChange(output: Output, repository: Repository): Promise<void> {
  await keepKeys(repository).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    output.err(`warning: the keys are changed, but not published yet; the service does it: ${why}\n`);
  });
  await wake(repository.pool, REPOSITORY_CHANNEL);
}

async function exportKeys(cli: Cli, repository: Repository, end: string | undefined): Promise<void> {
  const { keys, publicArmored } = await repository.signer.refresh();
  if (end === undefined) return cli.output.out(publicArmored);
  const [key, another] = keys.filter((each) => each.fingerprint.endsWith(readKeyEnd(end)));
  if (key && !another) return cli.output.out(key.publicArmored);
  throw new AppError('key-unknown', `'${end}' is not the end of one key's fingerprint`, {
    hint: 'autobuilder key list shows them',
  });
}

async function audit(
  cli: Cli,
  repository: Repository,
  options: ListOptions & { limit?: string },
): Promise<void> {
  const limit = Math.min(readLimit(options.limit), MAX_AUDIT);
  const entries = await repository.signer.ask('audit', { limit });
  if (options.json) return printJson(cli.output, entries);
  const rows = entries.map((entry) => [new Date(entry.time), entry.what, about(entry), entry.requester]);
  printTable(cli.output, ['TIME', 'WHAT', 'OF', 'ASKED BY'], rows, 'Nothing was signed yet');
}

/** The signer gives no more at once. */
const MAX_AUDIT = 1_000;

function about(entry: AuditEntry): string {
  const { queue, product, generation, sha256, key } = entry as Record<string, unknown>;
  if (typeof key === 'string') return key;
  return `${String(queue)}/${String(product)} ${String(generation)} sha256:${String(sha256).slice(0, 16)}`;
}

/** A fingerprint or its end, in either case, with the spaces that gpg shows. Throws `key-invalid`. */
function readKeyEnd(text: string): string {
  const end = text.replaceAll(/\s/g, '').replace(/^0x/i, '').toUpperCase();
  if (/^[0-9A-F]{8,40}$/.test(end)) return end;
  throw new AppError('key-invalid', `'${text}' is not a fingerprint or its last 8 digits or more`);
}

/** Throws `days-invalid`. */
function readDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days > 0 && days <= 36_500) return days;
  throw new AppError('days-invalid', `--days is a number from 1 to 36500, not '${text}'`);
}
