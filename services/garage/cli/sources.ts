/** `autobuilder source ...`: how urgent a source is, and what its builds require. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { featureName, sourceName } from '../../../shared/protocol/names.ts';
import { changeSourceSetting } from '../dispatch/source-settings.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { collect } from './host-options.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';

/** Far beyond what anybody needs to put things in order. */
const MAX_PRIORITY = 1_000;

interface SetOptions {
  product?: string;
  priority?: string;
  requires?: string[];
  /** `--no-requirements`. */
  requirements: boolean;
  json?: boolean;
}

/** Adds the command group to the program. */
export function addSourceCommands(cli: Cli): void {
  const source =
    cli.program.commands.find((command) => command.name() === 'source') ?? cli.program.command('source');
  source
    .command('set <source>')
    .description('its place in the queue, and features of hosts that its builds need')
    .option('--product <name>', 'of this product, where there are several')
    .option('--priority <n>', 'higher goes first, 0 unless told otherwise')
    .option('--requires <feature>', 'repeat for several; replaces what was required', collect)
    .option('--no-requirements', "none beside the product's own")
    .action((name: string, options: SetOptions) => setSource(cli, name, options));
  source
    .command('settings')
    .description('every source that has any')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => listSettings(cli, options.json ?? false));
}

async function setSource(cli: Cli, name: string, options: SetOptions): Promise<void> {
  const known = sourceName.safeParse(name);
  if (!known.success) throw new AppError('source-invalid', `'${name}' is no name of a source package`);
  const change = {
    ...(options.priority === undefined ? {} : { priority: readPriority(options.priority) }),
    ...(options.requires === undefined ? {} : { requires: readFeatures(options.requires) }),
    ...(options.requirements ? {} : { requires: [] }),
  };
  await withGarage(async (garage) => {
    const product = chooseProduct(garage.common.products, options.product);
    const source = { product: product.name, name, productRequires: product.requires };
    const { priority, requires } = await changeSourceSetting(garage.pool, source, change);
    const needs = requires.length === 0 ? 'nothing of its own' : requires.join(' ');
    cli.output.err(`${name} for ${product.name}: priority ${String(priority)}, requires ${needs}\n`);
  });
}

async function listSettings(cli: Cli, json: boolean): Promise<void> {
  await withGarage(async (garage) => {
    const { rows } = await garage.pool.query<{
      product: string;
      source: string;
      priority: number;
      requires: string[];
    }>('select product, source, priority, requires from source_settings order by product, source');
    if (json) return printJson(cli.output, rows);
    const table = rows.map((row) => [row.product, row.source, row.priority, row.requires]);
    printTable(cli.output, ['PRODUCT', 'SOURCE', 'PRIORITY', 'REQUIRES'], table, 'No source has any');
  });
}

function readPriority(text: string): number {
  const priority = Number(text);
  if (Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY) return priority;
  const range = `${String(-MAX_PRIORITY)} to ${String(MAX_PRIORITY)}`;
  throw new AppError('priority-invalid', `--priority is a whole number from ${range}, not '${text}'`);
}

function readFeatures(names: string[]): string[] {
  const bad = names.find((name) => !featureName.safeParse(name).success);
  if (bad === undefined) return names;
  throw new AppError(
    'feature-invalid',
    `'${bad}' is no feature; such as big-memory: lower-case letters, digits, + . -`,
  );
}
