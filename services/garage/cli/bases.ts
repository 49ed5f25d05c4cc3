/** `autobuilder base ...`: the clean systems that targets begin as. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { refreshBase } from '../bases/refresh.ts';
import type { Garage } from '../context.ts';
import { activeHosts } from '../dispatch/rows.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';

interface BaseItem {
  host: string;
  product: string;
  architecture: string;
  madeAt: Date | null;
  lastUsedAt: Date | null;
  refreshedAt: Date | null;
  error: string | null;
}

interface RefreshOptions {
  host?: string;
  verbose?: boolean;
}

/** Adds the command group to the program. */
export function addBaseCommands(cli: Cli): void {
  const base = cli.program.command('base').description('the clean systems that targets begin as');
  base
    .command('list')
    .description('every base on every host, as it was last seen (garage looks by garage.bases.schedule)')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      withGarage((garage) => list(cli, garage, options.json ?? false)),
    );
  base
    .command('refresh <product> [architecture]')
    .description('make it anew now, beside the one in use, on every host that builds for the architecture')
    .option('--host <name>', 'on this host only')
    .option('--verbose', 'the log of each, on standard error')
    .action((product: string, architecture: string | undefined, options: RefreshOptions) =>
      withGarage((garage) => refresh(cli, garage, product, architecture, options)),
    );
}

async function list(cli: Cli, garage: Garage, json: boolean): Promise<void> {
  const { rows } = await garage.pool.query<BaseItem>(
    `select h.name as host, b.product, b.architecture, b.made_at as "madeAt", b.last_used_at as "lastUsedAt",
            b.refreshed_at as "refreshedAt", b.error
       from bases b join hosts h on h.id = b.host_id where h.status <> 'removed'
      order by h.name, b.product, b.architecture`,
  );
  if (json) return printJson(cli.output, rows);
  const table = rows.map((row) => [
    ...[row.host, row.product, row.architecture, row.madeAt, row.lastUsedAt, row.refreshedAt, row.error],
  ]);
  const headings = ['HOST', 'PRODUCT', 'ARCH', 'MADE', 'LAST USED', 'REFRESHED', 'ERROR'];
  printTable(cli.output, headings, table, 'No base was seen yet; the first build makes one');
}

async function refresh(
  cli: Cli,
  garage: Garage,
  name: string,
  named: string | undefined,
  options: RefreshOptions,
): Promise<void> {
  const product = chooseProduct(garage.common.products, name);
  if (named !== undefined && !product.architectures.includes(named)) {
    throw new AppError('architecture-unknown', `Product '${name}' is not built for '${named}'`, {
      hint: `Known: ${product.architectures.join(', ')}`,
    });
  }
  const architectures = named === undefined ? product.architectures : [named];
  const hosts = (await activeHosts(garage.pool)).filter((host) => (options.host ?? host.name) === host.name);
  let made = 0;
  for (const host of hosts) {
    for (const architecture of architectures.filter((each) => host.architectures.includes(each))) {
      cli.output.err(`${host.name}: making the base of ${product.name} for ${architecture}\n`);
      const onLog = (text: string): void => void (options.verbose === true && cli.output.err(text));
      await refreshBase(garage, host, product, architecture, onLog);
      made += 1;
    }
  }
  if (made > 0) return;
  throw new AppError('no-host', `No active host builds for ${architectures.join(' or ')}`, {
    hint: '`autobuilder host list` shows them.',
  });
}
