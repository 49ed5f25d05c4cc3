/** `autobuilder maintainer ...` */
import { addMaintainer, listMaintainers, removeMaintainer } from '../accounts/maintainers.ts';
import type { Garage } from '../context.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';

interface Options {
  product?: string;
}

type Change = typeof addMaintainer;

/** Adds the command group to the program. */
export function addMaintainerCommands(cli: Cli): void {
  const maintainer = cli.program
    .command('maintainer')
    .description('who may upload and promote a source; whoever brings it first may by that');
  const changing = (name: string, description: string, change: Change): void => {
    maintainer
      .command(`${name} <source-or-glob> <login>`)
      .description(description)
      .option('--product <name>', 'default: the only one')
      .action((pattern: string, login: string, options: Options) =>
        withGarage((garage) => apply(garage, change, pattern, login, options)),
      );
  };
  changing(
    'add',
    "let somebody; a glob ('lib*') is for all sources that match, also ones to come",
    addMaintainer,
  );
  changing('remove', 'take that away, as it was given', removeMaintainer);
  maintainer
    .command('list')
    .description('everybody who may')
    .option('--product <name>', 'of this product only')
    .option('--json', 'as JSON')
    .action((options: Options & { json?: boolean }) => withGarage((garage) => list(cli, garage, options)));
}

async function apply(
  garage: Garage,
  change: Change,
  pattern: string,
  login: string,
  options: Options,
): Promise<void> {
  const product = chooseProduct(garage.common.products, options.product).name;
  await change(garage.pool, product, pattern, login);
}

async function list(cli: Cli, garage: Garage, options: Options & { json?: boolean }): Promise<void> {
  const maintainers = await listMaintainers(garage.pool, options.product ?? null);
  if (options.json) return printJson(cli.output, maintainers);
  const rows = maintainers.map((each) => [each.product, each.pattern, each.login, each.email]);
  printTable(cli.output, ['PRODUCT', 'SOURCE', 'LOGIN', 'EMAIL'], rows, 'Nobody maintains anything yet');
}
