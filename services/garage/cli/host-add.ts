/** `autobuilder host add user@host`: pins its key, tests it, and takes it in when it passes. */
import { createInterface } from 'node:readline/promises';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { AppError } from '../../../shared/errors/app-error.ts';
import { bundleRunner } from '../../../shared/runner-bundle/bundle.ts';
import { fetchHostKey, keyFingerprint } from '../../../shared/ssh/host-key.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import type { Garage } from '../context.ts';
import { garageKeyFile } from '../dispatch/garage-key.ts';
import { openRemote, probeHost, pushRunner } from '../dispatch/remote.ts';
import type { HostRow } from '../dispatch/rows.ts';
import { hostNameOf, parseHostAddress } from '../hosts/address.ts';
import { addHost, changeHost, resumeHost } from '../hosts/manage.ts';
import type { HostCheck, HostReport } from '../hosts/report.ts';
import { noteReport } from '../hosts/self-test.ts';
import { testHost } from '../hosts/test-host.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { collect, hostChange, type HostOptions } from './host-options.ts';
import { cellText, printJson } from '../../../shared/cli/output.ts';

export type { HostOptions } from './host-options.ts';

/** As `hosts.min_free_bytes`: a base and a small build fit. */
const DEFAULT_MIN_FREE_BYTES = 1_000_000_000;

interface AddOptions extends HostOptions {
  name?: string;
  workdir?: string;
  trial: boolean;
  json?: boolean;
}

const HELP = `
The host needs sshd, Debian's nodejs, a user who is not root, and garage's key in that user's
authorized_keys; everything else is tested, and what is missing is said with the command that installs it.
A host that does not pass stays known, without builds: mend it, then run
  autobuilder host test NAME && autobuilder host resume NAME`;

/** Adds `host add` to its group. */
export function addHostAddCommand(cli: Cli, group: Command): void {
  group
    .command('add <user@host[:port]>')
    .description('tests a machine from login to a trial build, and builds there from then on')
    .option('--name <name>', "default: the host's own, without its domain")
    .option('--slots <n>', 'builds at a time', '1')
    .option('--architecture <name>', 'that it builds for, default: its own; repeat for several', collect)
    .option('--feature <name>', 'that builds may require; repeat for several', collect)
    .option('--workdir <folder>', "default: 'autobuilder' in the user's home folder")
    .option('--min-free <gb>', 'no builds while less is free there', '1')
    .option('--max-build-hours <n>', 'its own limit on a build')
    .option('--fingerprint <SHA256:...>', "of the host's key, to check it by")
    .option('--yes', 'trust the key that it shows')
    .option('--no-trial', 'without the trial build')
    .option('--json', 'the report as JSON')
    .addHelpText('after', HELP)
    .action((address: string, options: AddOptions) =>
      withGarage((garage) => addOne(cli, garage, address, options)),
    );
}

async function addOne(cli: Cli, garage: Garage, text: string, options: AddOptions): Promise<void> {
  const address = parseHostAddress(text);
  const hostKey = await fetchHostKey(address.address, address.port);
  await confirmKey(cli, text, hostKey, options);
  const host = await addHost(garage, {
    ...{ slots: 1, features: [], minFreeBytes: DEFAULT_MIN_FREE_BYTES, maxBuildS: null },
    ...{ name: options.name ?? hostNameOf(address), ...address, hostKey },
    workdir: options.workdir ?? `/home/${address.username}/autobuilder`,
    // Its own, once it could say which.
    architectures: [garage.common.products[0]?.architectures[0] ?? 'amd64'],
    ...hostChange(options),
  });
  const known = await completeHost(garage, host, options);
  const report = await testAndNote(cli, garage, known, options);
  if (options.json) printJson(cli.output, { name: host.name, ...report });
  if (!report.passed) {
    throw new AppError('host-unfit', `${host.name} is added, and gets no builds: it did not pass its test`, {
      hint: `Do there what is said above, then: autobuilder host test ${host.name} && autobuilder host resume ${host.name}`,
    });
  }
  await resumeHost(garage, host.name);
  cli.output.err(`${host.name} is added and gets builds\n`);
}

/** Fills in what only the host can tell. One that cannot be asked yet keeps what was guessed: its test says why. */
async function completeHost(garage: Garage, host: HostRow, options: AddOptions): Promise<HostRow> {
  const { privateFile } = await ensureKeyPair(garageKeyFile(garage), 'autobuilder garage');
  const bundle = await bundleRunner();
  const change: { workdir?: string; architectures?: string[] } = {};
  try {
    const remote = await openRemote(host, await readFile(privateFile, 'utf8'), bundle);
    try {
      if (options.workdir === undefined) {
        const files = await remote.connection.files();
        const home = await new Promise<string>((resolve, reject) =>
          files.sftp.realpath('.', (error, found) => (error ? reject(error) : resolve(found))),
        );
        change.workdir = `${home}/autobuilder`;
      }
      const there = { ...remote.host, ...change };
      const runner = `${there.workdir}/runner-${bundle.sha256}.mjs`;
      await pushRunner({ ...remote, host: there, runner }, bundle);
      if (options.architecture === undefined) {
        change.architectures = [(await probeHost({ ...remote, host: there, runner })).architecture];
      }
    } finally {
      remote.connection.close();
    }
  } catch {
    // The test that follows meets the same, and says what to do.
  }
  await changeHost(garage, host.name, change);
  return { ...host, ...change };
}

/** Tests it, telling each check as it is through, and keeps the report. */
export async function testAndNote(
  cli: Cli,
  garage: Garage,
  host: HostRow,
  options: { trial: boolean; json?: boolean },
): Promise<HostReport> {
  const onCheck = (check: HostCheck): void =>
    printCheck((text) => (options.json ? cli.output.err(text) : cli.output.out(text)), check);
  const report = await testHost(garage, host, { trial: options.trial, onCheck });
  await noteReport(garage, host.id, report);
  return report;
}

const MARKS: Record<HostCheck['state'], string> = {
  passed: 'ok     ',
  failed: 'FAILED ',
  warning: 'warning',
  skipped: 'skipped',
};

/** One check as lines; what to do about it stands below it. */
export function printCheck(print: (text: string) => void, { name, state, says, fix }: HostCheck): void {
  print(`${MARKS[state]}  ${name}: ${cellText(says)}\n`);
  for (const line of fix?.split('\n') ?? []) print(`             ${cellText(line)}\n`);
}

/** Nobody is trusted unasked. Throws `host-key-wrong`, `host-key-unconfirmed`. */
export async function confirmKey(
  cli: Cli,
  where: string,
  hostKey: string,
  options: Pick<HostOptions, 'fingerprint' | 'yes'>,
): Promise<void> {
  const fingerprint = keyFingerprint(hostKey);
  cli.output.err(`${where} shows the key ${fingerprint} (${hostKey.split(' ')[0] ?? ''})\n`);
  if (options.fingerprint !== undefined) {
    if (options.fingerprint === fingerprint) return;
    throw new AppError('host-key-wrong', `That is not ${options.fingerprint}: somebody may be in between`);
  }
  if (options.yes) return;
  if (process.stdin.isTTY) {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question('Is that its key (ssh-keygen -l on the host shows it)? [y/N] ');
    terminal.close();
    if (/^y(es)?$/i.test(answer.trim())) return;
  }
  throw new AppError('host-key-unconfirmed', 'The host is not added: nobody has confirmed its key', {
    hint: `Compare it on the host, then add --fingerprint ${fingerprint}, or --yes to trust it as it is`,
  });
}
