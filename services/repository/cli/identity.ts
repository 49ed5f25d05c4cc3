/** `autobuilder identity ...`: what clients know the archive by, and taking a change of it upon oneself. */
import { wake } from '../../../shared/database/listen.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { REPOSITORY_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { identityStates, type IdentityState } from '../generations/shape.ts';
import { acceptIdentity, identityUnchanged } from '../indexes/identity.ts';
import { requireQueue } from '../indexes/release.ts';
import { withRepository } from './context.ts';

interface AcceptOptions {
  product?: string;
  dryRun?: boolean;
  json?: boolean;
}

export function addIdentityCommands(cli: Cli): void {
  const identity = cli.program
    .command('identity')
    .description(
      'what clients know the archive by: Origin, Label, Suite, Codename, components, architectures',
    );
  identity
    .command('list')
    .description('what is published, and changes that are held back; exit code 1 when there are any')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      withRepository((repository) => listIdentities(cli, repository, options.json ?? false)),
    );
  identity
    .command('accept <queue>')
    .description('publish what the configuration changes of it, whatever that means to clients')
    .option('--product <name>', 'default: the only one')
    .option('--dry-run', 'only tell what clients would see')
    .option('--json', 'as JSON')
    .action((queue: string, options: AcceptOptions) =>
      withRepository((repository) => accept(cli, repository, queue, options)),
    );
}

async function listIdentities(cli: Cli, repository: Repository, json: boolean): Promise<void> {
  const states = await identityStates(repository);
  if (states.some((each) => each.isHeld)) process.exitCode = 1;
  if (json) return printJson(cli.output, states);
  const rows = states.map((state) => [
    ...[state.queue, state.product, state.published.origin, state.published.label],
    ...[state.published.suite, state.published.codename, state.published.components.join(' ')],
    stateText(state),
  ]);
  const headings = ['QUEUE', 'PRODUCT', 'ORIGIN', 'LABEL', 'SUITE', 'CODENAME', 'COMPONENTS', 'STATE'];
  printTable(cli.output, headings, rows, 'Nothing was published yet');
  for (const state of states.filter((each) => each.isHeld)) printChanges(cli, state);
}

function stateText({ changes, isHeld }: IdentityState): string {
  if (changes.length === 0) return 'as configured';
  return isHeld ? 'change held back' : 'change accepted';
}

function printChanges(cli: Cli, { queue, product, changes }: IdentityState): void {
  cli.output.out(`\n${queue} for ${product}:\n`);
  for (const { field, from, to, effect } of changes) {
    const what = to === '' ? `${field} lose ${from}` : `${field} changes from '${from}' to '${to}'`;
    cli.output.out(`  ${what}: ${effect}\n`);
  }
}

async function accept(cli: Cli, repository: Repository, name: string, options: AcceptOptions): Promise<void> {
  const queue = requireQueue(repository.common, name).name;
  const product = chooseProduct(repository.common.products, options.product).name;
  const states = await identityStates(repository);
  const state = states.find((each) => each.queue === queue && each.product === product);
  if (!state) throw new AppError('generation-unknown', `${queue} has nothing published for ${product} yet`);
  if (state.changes.length === 0) throw identityUnchanged({ queue, product });
  if (!options.dryRun) {
    await acceptIdentity(repository.pool, { queue, product }, state.configured);
    await wake(repository.pool, REPOSITORY_CHANNEL);
  }
  if (options.json) return printJson(cli.output, { ...state, isHeld: options.dryRun === true });
  printChanges(cli, state);
  const end = options.dryRun
    ? 'nothing was accepted'
    : 'accepted: the next sweep of the queue publishes it (restart the service if it began before the configuration changed)';
  cli.output.out(`${end}\n`);
}
