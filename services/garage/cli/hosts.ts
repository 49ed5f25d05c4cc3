/** `autobuilder host ...`: which machines build, and whether they can. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { fetchHostKey, keyFingerprint } from '../../../shared/ssh/host-key.ts';
import type { Garage } from '../context.ts';
import { hostItem, listHosts, type HostItem } from '../hosts/list.ts';
import { changeHost, drainHost, removeHost, requireHost, resumeHost } from '../hosts/manage.ts';
import { addHostAddCommand, confirmKey, printCheck, testAndNote, type HostOptions } from './host-add.ts';
import { collect, hostChange } from './host-options.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printFacts, printJson, printTable } from '../../../shared/cli/output.ts';

interface ListOptions {
  json?: boolean;
  all?: boolean;
}

/** Adds the command group to the program. */
export function addHostCommands(cli: Cli): void {
  const host = cli.program.command('host').description('machines that build');
  addHostAddCommand(cli, host);
  host
    .command('list')
    .description('every builder host')
    .option('--all', 'removed ones, too')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => withGarage((garage) => showHosts(cli, garage, options)));
  host
    .command('show <name>')
    .description('one host, and what its last test found')
    .option('--json', 'as JSON')
    .action((name: string, options: ListOptions) =>
      withGarage((garage) => showHost(cli, garage, name, options.json ?? false)),
    );
  host
    .command('test <name>')
    .description('login, tools, namespaces, disk, clock and a trial build; says what is missing')
    .option('--no-trial', 'without the trial build')
    .option('--json', 'as JSON')
    .action((name: string, options: { trial: boolean; json?: boolean }) =>
      withGarage((garage) => testOne(cli, garage, name, options)),
    );
  addStatusCommands(cli);
}

function addStatusCommands(cli: Cli): void {
  const host = cli.program.commands.find((command) => command.name() === 'host');
  host
    ?.command('drain <name>')
    .description('no more builds there; what runs is finished')
    .option('--reason <text>', 'shown to everybody')
    .action((name: string, options: { reason?: string }) =>
      withGarage(async (garage) => {
        await drainHost(garage, name, options.reason);
        const { busy } = await hostItem(garage.pool, name);
        cli.output.err(`${name} gets no more builds; ${String(busy)} still running\n`);
      }),
    );
  host
    ?.command('resume <name>')
    .description('builds again: drained, or in quarantine')
    .action((name: string) =>
      withGarage(async (garage) => {
        await resumeHost(garage, name);
        cli.output.err(`${name} gets builds again\n`);
      }),
    );
  host
    ?.command('remove <name>')
    .description('takes it out; its past builds stay')
    .option('--force', 'also while it builds: its builds are given back')
    .action((name: string, options: { force?: boolean }) =>
      withGarage(async (garage) => {
        await removeHost(garage, name, options.force ?? false);
        cli.output.err(`${name} is removed\n`);
      }),
    );
  host
    ?.command('set <name>')
    .description('changes what is given; lists are replaced')
    .option('--slots <n>', 'builds at a time')
    .option('--architecture <name>', 'that it builds for; repeat for several', collect)
    .option('--feature <name>', 'that builds may require; repeat for several', collect)
    .option('--no-features', 'none at all')
    .option('--min-free <gb>', 'no builds while less is free in its work folder')
    .option('--max-build-hours <n>', 'its own limit on a build; 0 for none')
    .option('--new-key', 'pin the key that it shows now')
    .option('--fingerprint <SHA256:...>', 'of that key, to check it by')
    .option('--yes', 'trust the key that it shows')
    .action((name: string, options: HostOptions & { newKey?: boolean }) =>
      withGarage((garage) => changeOne(cli, garage, name, options)),
    );
}

async function changeOne(
  cli: Cli,
  garage: Garage,
  name: string,
  options: HostOptions & { newKey?: boolean },
): Promise<void> {
  const { address, port } = await requireHost(garage.pool, name);
  const change = hostChange(options);
  if (options.newKey) {
    const hostKey = await fetchHostKey(address, port);
    await confirmKey(cli, `${address}:${String(port)}`, hostKey, options);
    change.hostKey = hostKey;
  }
  if (Object.keys(change).length === 0) {
    throw new AppError('nothing-to-change', 'Nothing was given to change', {
      hint: 'See autobuilder host set --help',
    });
  }
  await changeHost(garage, name, change);
  cli.output.err(`${name} is changed\n`);
}

async function showHosts(cli: Cli, garage: Garage, options: ListOptions): Promise<void> {
  const hosts = await listHosts(garage.pool, { removed: options.all ?? false });
  if (options.json) return printJson(cli.output, hosts);
  const table = hosts.map((row) => [
    ...[row.name, `${row.username}@${row.address}:${String(row.port)}`, row.status, row.architectures],
    ...[row.features, `${String(row.busy)}/${String(row.slots)}`, row.lastSeenAt],
    row.statusReason ?? row.lastError,
  ]);
  const headings = ['HOST', 'ADDRESS', 'STATUS', 'ARCHITECTURES', 'FEATURES', 'BUSY', 'LAST SEEN', 'REASON'];
  printTable(cli.output, headings, table, 'There are no builder hosts');
}

async function showHost(cli: Cli, garage: Garage, name: string, json: boolean): Promise<void> {
  const host = await hostItem(garage.pool, name);
  if (json) return printJson(cli.output, { ...host, fingerprint: keyFingerprint(host.hostKey) });
  printFacts(cli.output, facts(host));
  if (!host.test) return;
  cli.output.out('\n');
  for (const check of host.test.checks) printCheck((text) => cli.output.out(text), check);
}

function facts(host: HostItem): Parameters<typeof printFacts>[1] {
  return {
    host: host.name,
    address: `${host.username}@${host.address}:${String(host.port)}`,
    key: keyFingerprint(host.hostKey),
    'work folder': host.workdir,
    status: host.status,
    reason: host.statusReason,
    since: host.statusSince,
    architectures: host.architectures,
    features: host.features,
    'slots busy': `${String(host.busy)} of ${String(host.slots)}`,
    'least free': `${(host.minFreeBytes / 1e9).toFixed(1)} GB`,
    'longest build': host.maxBuildS === null ? null : `${(host.maxBuildS / 3600).toFixed(1)} h`,
    'in 7 days': `${String(host.built)} built, ${String(host.failedByMachine)} failed by its fault`,
    'last seen': host.lastSeenAt,
    'last error': host.lastError,
    'next test': host.nextTestAt,
    tested: host.testedAt,
  };
}

async function testOne(
  cli: Cli,
  garage: Garage,
  name: string,
  options: { trial: boolean; json?: boolean },
): Promise<void> {
  const host = await requireHost(garage.pool, name);
  const report = await testAndNote(cli, garage, host, options);
  if (options.json) printJson(cli.output, report);
  if (!report.passed) {
    throw new AppError('host-unfit', `${name} did not pass its test`, {
      hint: `Do there what is said above, then: autobuilder host test ${name}`,
    });
  }
  const { status } = await hostItem(garage.pool, name);
  const resume =
    status === 'active' ? '' : `; it is ${status}, take it back with: autobuilder host resume ${name}`;
  cli.output.err(`${name} passed${resume}\n`);
}
