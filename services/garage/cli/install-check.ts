/** `autobuilder install-check`: what a user of the repository would meet, tried in a clean target. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { checkInstall } from '../dispatch/install-check.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printJson } from '../../../shared/cli/output.ts';

interface Options {
  queue?: string;
  product?: string;
  architecture?: string;
  verbose?: boolean;
  json?: boolean;
}

/** Adds the command to the program. */
export function addInstallCheckCommand(cli: Cli): void {
  cli.program
    .command('install-check <package> [command...]')
    .description('install a package out of live in a clean target and run a command there (after --)')
    .option('--queue <queue>', 'default: the last, the most trusted')
    .option('--product <name>', 'default: the only one')
    .option('--architecture <architecture>', "default: the product's first")
    .option('--verbose', 'the whole log of the target, on standard error')
    .option('--json', 'as JSON')
    .action((name: string, command: string[], options: Options) => check(cli, name, command, options));
}

async function check(cli: Cli, name: string, command: string[], options: Options): Promise<void> {
  const { result, log, output } = await withGarage((garage) => {
    const product = chooseProduct(garage.common.products, options.product).name;
    const queue = options.queue ?? garage.common.queues.at(-1)?.name ?? '';
    const architecture = options.architecture === undefined ? {} : { architecture: options.architecture };
    return checkInstall(garage, { product, queue, packages: [name], command, ...architecture });
  });
  if (options.json) printJson(cli.output, { result, output });
  else cli.output.out(output);
  if (options.verbose) cli.output.err(log);
  if (result.exitClass === 'success') return;
  throw new AppError('install-check-failed', `${name} does not install: ${result.message}`, {
    hint: 'Once more with --verbose shows the whole log of the target.',
  });
}
