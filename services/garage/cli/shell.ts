/** `autobuilder host shell BUILD`: into the kept target of a build that failed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { firstRow } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { minimalEnvironment } from '../../../shared/process/run.ts';
import { commandLine } from '../../../shared/ssh/command-line.ts';
import { reachHost } from '../bases/host-bases.ts';
import type { Garage } from '../context.ts';
import { remoteFolder } from '../dispatch/deliver.ts';
import { garageKeyFile } from '../dispatch/dispatcher.ts';
import { instanceId } from '../dispatch/instance.ts';
import { callRunner, type Remote } from '../dispatch/remote.ts';
import { attemptRow, type AttemptRow } from '../dispatch/rows.ts';
import { readId } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';

/** Adds `host shell` to the program, which has the group `host` already. */
export function addShellCommand(cli: Cli): void {
  const host = cli.program.commands.find((command) => command.name() === 'host');
  host
    ?.command('shell <build>')
    .description('a root shell in the kept target of a build that failed; see build retry --keep')
    .option('--stay', 'leave the target there afterwards, until its time is over')
    .action((build: string, options: { stay?: boolean }) =>
      withGarage((garage) => enter(cli, garage, readId(build), options.stay ?? false)),
    );
}

/** The newest attempt of the build whose target is still there. */
async function keptAttempt(garage: Garage, buildId: string): Promise<AttemptRow> {
  const { rows } = await garage.pool.query<{ id: string }>(
    'select id from attempts where build_id = $1 and kept_until > now() order by number desc limit 1',
    [buildId],
  );
  const attempt = rows[0] ? await attemptRow(garage.pool, rows[0].id) : null;
  if (attempt !== null) return attempt;
  firstRow(
    (await garage.pool.query('select 1 from builds where id = $1', [buildId])).rows,
    'build-unknown',
    `There is no build ${buildId}`,
  );
  throw new AppError('target-not-kept', `No target of build ${buildId} is kept`, {
    hint: `'autobuilder build retry --keep ${buildId}' builds it again and keeps what fails; keepFailedS does for a product.`,
  });
}

async function enter(cli: Cli, garage: Garage, buildId: string, stay: boolean): Promise<void> {
  const attempt = await keptAttempt(garage, buildId);
  const remote = await reachHost(garage, attempt.host);
  const folder = remoteFolder(remote, await instanceId(garage.home), attempt.id);
  // Closed meanwhile: a shell may stay open for hours.
  remote.connection.close();
  cli.output.err(
    `${attempt.source} ${attempt.version} as it failed on ${attempt.host.name}; ${stay ? 'it stays' : 'it goes when you leave'}\n`,
  );
  const code = await overSsh(garage, remote, folder);
  if (code === SSH_FAILED) throw new AppError('shell-failed', `No shell on host '${attempt.host.name}'`);
  if (stay) return;
  const again = await reachHost(garage, attempt.host);
  try {
    await callRunner(again, ['remove', folder]);
    await garage.pool.query('update attempts set kept_until = null where id = $1', [attempt.id]);
  } finally {
    again.connection.close();
  }
}

/** The host's name in the one-line file of known hosts, whatever its address and port are. */
const ALIAS = 'builder-host';
/** ssh(1)'s own exit status. */
const SSH_FAILED = 255;

/** OpenSSH's client on this terminal: what is typed goes as it is to the terminal that the target makes. */
async function overSsh(garage: Garage, remote: Remote, folder: string): Promise<number> {
  const { host } = remote;
  const scratch = await mkdtemp(path.join(tmpdir(), 'autobuilder-shell-'));
  const isTerminal = process.stdin.isTTY;
  try {
    const known = path.join(scratch, 'known_hosts');
    await writeFile(known, `${ALIAS} ${host.hostKey}\n`);
    const { rows, columns } = process.stdout.isTTY ? process.stdout : { rows: 24, columns: 80 };
    const terminal = `${process.env['TERM'] ?? 'dumb'},${String(rows)},${String(columns)}`;
    const argv: [string, ...string[]] = ['nodejs', remote.runner, 'shell', folder, terminal];
    const options = [
      ...['BatchMode=yes', 'IdentitiesOnly=yes', `IdentityFile="${garageKeyFile(garage)}"`],
      ...['StrictHostKeyChecking=yes', `UserKnownHostsFile="${known}"`, 'GlobalKnownHostsFile=/dev/null'],
      ...['LogLevel=ERROR', `HostKeyAlias=${ALIAS}`, 'ServerAliveInterval=15', 'EscapeChar=none'],
    ].flatMap((option) => ['-o', option]);
    const where = ['-p', String(host.port), '-l', host.username, '--', host.address];
    if (isTerminal) process.stdin.setRawMode(true);
    const child = spawn('ssh', ['-F', '/dev/null', '-T', ...options, ...where, commandLine(argv)], {
      env: minimalEnvironment(),
      stdio: 'inherit',
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? SSH_FAILED;
  } finally {
    if (isTerminal) process.stdin.setRawMode(false);
    await rm(scratch, { recursive: true, force: true });
  }
}
