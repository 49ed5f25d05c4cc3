/** Tests one host from the connection to a trial build, and says what is missing and what to do about it. */
import { readFile } from 'node:fs/promises';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { bundleRunner, type RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import type { Garage } from '../context.ts';
import { ALONE, aloneOnHost } from '../dispatch/alone.ts';
import { garageKeyFile } from '../dispatch/garage-key.ts';
import { instanceId } from '../dispatch/instance.ts';
import { openRemote, reasonOf, type Remote } from '../dispatch/remote.ts';
import type { HostRow } from '../dispatch/rows.ts';
import { checkHost } from './checks.ts';
import { reportOf, type HostCheck, type HostReport } from './report.ts';
import { tryBuild } from './trial.ts';

export interface TestOptions {
  /** Called with each check as it is through. */
  onCheck?: (check: HostCheck) => void;
  /** Without: everything but the trial builds. */
  trial?: boolean;
  /** Default: this checkout's runner. */
  bundle?: RunnerBundle;
  signal?: AbortSignal;
}

/**
 * Runs every check; what comes after a failure that leaves nothing to ask is left out. Throws the signal's
 * reason when it was aborted, and otherwise only for faults of our own.
 */
export async function testHost(
  garage: Garage,
  host: HostRow,
  options: TestOptions = {},
): Promise<HostReport> {
  const checks: HostCheck[] = [];
  const onCheck = (check: HostCheck): void => {
    checks.push(check);
    options.onCheck?.(check);
  };
  const bundle = options.bundle ?? (await bundleRunner());
  const signal = options.signal ?? new AbortController().signal;
  const remote = await reach(garage, host, bundle, onCheck);
  if (!remote) return reportOf(checks);
  const onAbort = (): void => remote.connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const isFit = await checkHost({ remote, bundle, onCheck });
    if (options.trial !== false) await runTrials({ garage, remote, bundle, signal, isFit, onCheck });
  } catch (error) {
    signal.throwIfAborted();
    onCheck({ name: 'connection', state: 'failed', says: `It broke: ${reasonOf(error)}` });
  } finally {
    signal.removeEventListener('abort', onAbort);
    remote.connection.close();
  }
  return reportOf(checks);
}

async function reach(
  garage: Garage,
  host: HostRow,
  bundle: RunnerBundle,
  onCheck: (check: HostCheck) => void,
): Promise<Remote | null> {
  const key = await ensureKeyPair(garageKeyFile(garage), 'autobuilder garage');
  const where = `${host.username}@${host.address}:${String(host.port)}`;
  try {
    const remote = await openRemote(host, await readFile(key.privateFile, 'utf8'), bundle);
    onCheck({ name: 'connection', state: 'passed', says: where });
    return remote;
  } catch (error) {
    onCheck(connectionFailed(host, error, key.publicKey));
    return null;
  }
}

function connectionFailed(host: HostRow, error: unknown, publicKey: string): HostCheck {
  const says = reasonOf(error);
  if (!(error instanceof AppError)) throw error;
  const failed: HostCheck = { name: 'connection', state: 'failed', says };
  if (error.code === 'ssh-host-key-changed') {
    const fix = `If it was made anew, pin its new key here: autobuilder host set ${host.name} --new-key`;
    return { ...failed, fix };
  }
  if (!/authentication/i.test(messageOf(error))) return failed;
  const folder = `~${host.username}/.ssh`;
  const fix = [
    `install -d -m 700 -o ${host.username} -g ${host.username} ${folder}`,
    `echo 'restrict ${publicKey}' >> ${folder}/authorized_keys`,
  ].join('\n');
  return { ...failed, says: `${says}. Garage's key is not let in`, fix };
}

interface Trials {
  garage: Garage;
  remote: Remote;
  bundle: RunnerBundle;
  signal: AbortSignal;
  isFit: boolean;
  onCheck: (check: HostCheck) => void;
}

/** One for each of its architectures, for the first product that is built on it. */
async function runTrials({ isFit, onCheck, ...context }: Trials): Promise<void> {
  const { garage, remote } = context;
  const instance = await instanceId(garage.home);
  for (const architecture of remote.host.architectures) {
    const name = `trial build ${architecture}`;
    const product = garage.common.products.find((each) => each.architectures.includes(architecture));
    if (!isFit) onCheck({ name, state: 'skipped', says: 'after what failed above' });
    else if (!product) onCheck({ name, state: 'skipped', says: 'no product is built for it' });
    else {
      const { passed, says } = await aloneOnHost(garage, remote.host.id, ALONE.trial, () =>
        tryBuild({ ...context, instance }, product, architecture),
      );
      onCheck({ name, state: passed ? 'passed' : 'failed', says });
    }
  }
}
