/** The runner on a host: where things lie there, and how it is called. */
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { probe, status, type Probe, type Stage } from '../../../shared/protocol/job.ts';
import type { RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import { connectSsh, type ExecOptions, type SshConnection } from '../../../shared/ssh/client.ts';
import { pushFile, readSmallFile } from '../../../shared/ssh/remote-files.ts';
import { HostFault } from './faults.ts';
import type { HostRow } from './rows.ts';

/** Debian's own, whichever node garage itself runs on. */
const NODEJS = 'nodejs';
const MAX_STATUS_BYTES = 64 * 1024;
const MAX_PROBE_BYTES = 256 * 1024;
/** Of what a failed command says, in a message for people. */
const SHOWN_STDERR_CHARS = 500;

export interface Remote {
  connection: SshConnection;
  host: HostRow;
  /** Absolute path of the runner on the host. */
  runner: string;
}

/** Connects. Throws `ssh-unreachable`, `ssh-host-key-changed`. */
export async function openRemote(host: HostRow, privateKey: string, bundle: RunnerBundle): Promise<Remote> {
  const connection = await connectSsh({ ...host, privateKey });
  return { connection, host, runner: `${host.workdir}/runner-${bundle.sha256}.mjs` };
}

/** Puts this version of the runner there, once for each version. */
export async function pushRunner(remote: Remote, bundle: RunnerBundle): Promise<void> {
  await makeFolder(remote, remote.host.workdir);
  await pushFile(await remote.connection.files(), bundle.file, remote.runner);
}

export async function makeFolder(remote: Remote, folder: string): Promise<void> {
  const { code, stderr } = await remote.connection.exec(['mkdir', '-p', folder]);
  if (code !== 0) throw new HostFault(`Folder '${folder}' cannot be made: ${shown(stderr)}`);
}

/** Calls one of the runner's commands. Throws HostFault when it ends with another status than 0. */
export async function callRunner(remote: Remote, args: string[], options: ExecOptions = {}): Promise<void> {
  const { code, stderr } = await remote.connection.exec([NODEJS, remote.runner, ...args], options);
  if (code === 0) return;
  throw new HostFault(`The runner's '${args[0] ?? ''}' ended with ${String(code)}: ${shown(stderr)}`);
}

/** The stage an attempt is in; null before the runner has begun. */
export async function readStage(remote: Remote, folder: string): Promise<Stage | null> {
  const text = await readSmallFile(
    await remote.connection.files(),
    `${folder}/status.json`,
    MAX_STATUS_BYTES,
  );
  if (text === null) return null;
  const parsed = status.safeParse(parseJson(text));
  if (!parsed.success) throw new HostFault('status.json is not what a runner writes');
  return parsed.data.stage;
}

/** What the host can do. Throws HostFault when it cannot say. */
export async function probeHost(remote: Remote): Promise<Probe> {
  const chunks: Buffer[] = [];
  let size = 0;
  await callRunner(remote, ['probe', remote.host.workdir], {
    onStdout: (chunk) => {
      size += chunk.length;
      if (size > MAX_PROBE_BYTES) throw new HostFault('The host says too much about itself');
      chunks.push(chunk);
    },
  });
  const parsed = probe.safeParse(parseJson(Buffer.concat(chunks)));
  if (!parsed.success) throw new HostFault('The host does not say what it can do');
  return parsed.data;
}

/** undefined for what is not JSON, which no schema takes. */
export function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** True for what was refused or failed on a host that still answers: trying the same again is no use. */
export function isHostFault(error: unknown, connection: SshConnection): boolean {
  if (error instanceof HostFault) return true;
  if (!(error instanceof AppError)) return false;
  if (error.code === 'remote-file-untrusted') return true;
  return error.code === 'remote-file-failed' && !connection.isClosed();
}

function shown(stderr: string): string {
  return stderr.trim().slice(-SHOWN_STDERR_CHARS) || '(it said nothing)';
}

/** One sentence about whatever was thrown. */
export function reasonOf(error: unknown): string {
  return messageOf(error).split('\n').join(' ').slice(0, 1000);
}
