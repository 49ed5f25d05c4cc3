/** `autobuilder override ...`: Section and Priority as the archive wants them. */
import { chooseProduct, readLimit } from '../../../shared/cli/input.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { isPackageName } from '../../../shared/debian/names.ts';
import { isKnownSection } from '../../../shared/debian/sections.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Repository } from '../context.ts';
import {
  listOverrides,
  removeOverride,
  setOverride,
  type Override,
  type OverrideKey,
} from '../indexes/override-rows.ts';
import { requireQueue } from '../indexes/release.ts';
import { withRepository } from './context.ts';

interface Options {
  product?: string;
  queue?: string;
  type?: string;
  section?: string;
  priority?: string;
  limit?: string;
  json?: boolean;
}

export function addOverrideCommands(cli: Cli): void {
  const override = cli.program
    .command('override')
    .description('Section and Priority of packages in the indexes, whatever they say of themselves');
  override
    .command('list [package]')
    .description('all overrides, or those of one package')
    .option('--product <name>', 'default: the only one')
    .option('--queue <name>', 'what holds in this queue')
    .option('--limit <n>', 'at most so many')
    .option('--json', 'as JSON')
    .action((name: string | undefined, options: Options) =>
      withRepository((repository) => list(cli, repository, name, options)),
    );
  override
    .command('set <package>')
    .description('set Section, Priority or both; the next sweep publishes it')
    .option('--section <section>', 'such as utils')
    .option('--priority <priority>', 'such as optional')
    .option('--type <type>', 'deb, udeb or source (default: deb)')
    .option('--product <name>', 'default: the only one')
    .option('--queue <name>', 'in this queue only; goes before one for all')
    .action((name: string, options: Options) =>
      withRepository((repository) => set(cli, repository, name, options)),
    );
  override
    .command('remove <package>')
    .description('let the package speak for itself again')
    .option('--type <type>', 'deb, udeb or source (default: deb)')
    .option('--product <name>', 'default: the only one')
    .option('--queue <name>', 'the override of this queue; default: the one for all')
    .action((name: string, options: Options) =>
      withRepository((repository) => remove(cli, repository, name, options)),
    );
}

function readKey(repository: Repository, name: string, options: Options): OverrideKey {
  const product = chooseProduct(repository.common.products, options.product).name;
  const queue = options.queue === undefined ? '' : requireQueue(repository.common, options.queue).name;
  const kind = options.type ?? 'deb';
  if (kind !== 'deb' && kind !== 'udeb' && kind !== 'source') {
    throw new AppError('type-invalid', `--type is deb, udeb or source, not '${kind}'`);
  }
  if (!isPackageName(name)) throw new AppError('package-invalid', `'${name}' is not a package name`);
  return { product, queue, kind, name };
}

async function list(
  cli: Cli,
  repository: Repository,
  name: string | undefined,
  options: Options,
): Promise<void> {
  const product = chooseProduct(repository.common.products, options.product).name;
  const queue = options.queue === undefined ? undefined : requireQueue(repository.common, options.queue).name;
  const limit = readLimit(options.limit);
  const items = await listOverrides(repository.pool, { product, queue, name, limit });
  if (options.json) return printJson(cli.output, items.map(overrideItem));
  const rows = items.map((item) => [
    ...[item.name, item.kind, item.queue === '' ? 'all' : item.queue, item.section, item.priority],
    ...[item.changedAt, item.who ?? 'admin'],
  ]);
  const headings = ['PACKAGE', 'TYPE', 'QUEUE', 'SECTION', 'PRIORITY', 'CHANGED', 'BY'];
  printTable(cli.output, headings, rows, `There are no overrides for ${product}`);
}

function overrideItem({ name, kind, queue, ...rest }: Override): object {
  return { package: name, type: kind, queue: queue === '' ? null : queue, ...rest };
}

async function set(cli: Cli, repository: Repository, name: string, options: Options): Promise<void> {
  const key = readKey(repository, name, options);
  const { section, priority } = options;
  if (section === undefined && priority === undefined) {
    throw new AppError('override-empty', 'Give --section, --priority or both');
  }
  await setOverride(repository.pool, key, { section, priority, who: null });
  if (section !== undefined && !isKnownSection(section)) {
    cli.output.err(`note: ${section} is not a section of Policy 2.4\n`);
  }
  const { rowCount } = await repository.pool.query(
    'select 1 from packages where product = $1 and kind = $2 and name = $3 limit 1',
    [key.product, key.kind, key.name],
  );
  if (rowCount === 0) cli.output.err(`note: there is no ${key.kind} ${name} for ${key.product} yet\n`);
  const what = [section && `Section ${section}`, priority && `Priority ${priority}`].filter(Boolean);
  cli.output.out(`${name} has ${what.join(' and ')}${whereText(key)}; the next sweep publishes it\n`);
}

async function remove(cli: Cli, repository: Repository, name: string, options: Options): Promise<void> {
  const key = readKey(repository, name, options);
  if (!(await removeOverride(repository.pool, key, null))) {
    throw new AppError('override-unknown', `There is no override of ${key.kind} ${name}${whereText(key)}`);
  }
  cli.output.out(`${name} speaks for itself again${whereText(key)}; the next sweep publishes it\n`);
}

function whereText({ queue, product }: OverrideKey): string {
  return queue === '' ? ` in all queues of ${product}` : ` in ${queue} for ${product}`;
}
