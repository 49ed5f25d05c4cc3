/** Installs packages out of live in a clean target on a builder host, as a user of the repository would. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { installJob, OUTPUT_BEGIN, OUTPUT_END, type Result } from '../../../shared/protocol/job.ts';
import { bundleRunner } from '../../../shared/runner-bundle/bundle.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import { pushFile } from '../../../shared/ssh/remote-files.ts';
import type { Garage } from '../context.ts';
import { ALONE, aloneOnHost } from './alone.ts';
import { garageKeyFile } from './garage-key.ts';
import { remoteFolder } from './deliver.ts';
import { followLog } from './follow.ts';
import { instanceId } from './instance.ts';
import { baseOf, productOf } from './job.ts';
import { furtherSources } from './mirror-sources.ts';
import { readResult } from './read-result.ts';
import { callRunner, makeFolder, openRemote, pushRunner } from './remote.ts';
import { RepositoryAccess } from './repository-access.ts';
import { activeHosts, type HostRow } from './rows.ts';

const TIMEOUT_S = 20 * 60;
const MAX_LOG_BYTES = 16 * 1024 * 1024;

export interface InstallCheck {
  product: string;
  queue: string;
  /** As for apt-get install; default architecture: the product's first. */
  packages: string[];
  /** Run in the target afterwards as an unprivileged user; empty for none. */
  command: string[];
  architecture?: string;
}

export interface InstallCheckResult {
  /** The runner's verdict: class `success`, or whose fault it was and a message. */
  result: Result;
  /** The whole log: apt's words and the command's. */
  log: string;
  /** What the command printed. */
  output: string;
}

/**
 * Runs it on the first active host that has the architecture, beside the builds. Throws `no-host`,
 * `not-published`, and what reaching a host throws; a package that does not install is a result.
 */
export async function checkInstall(garage: Garage, check: InstallCheck): Promise<InstallCheckResult> {
  const product = productOf(garage, check.product);
  const architecture = check.architecture ?? product.architectures[0];
  const host = (await activeHosts(garage.pool)).find((each) => each.architectures.includes(architecture));
  if (!host) {
    const hint = 'Start the builder service, or add a host of that architecture.';
    throw new AppError('no-host', `No active host builds for ${architecture}`, { hint });
  }
  const source = await new RepositoryAccess(garage).sourceFor(product, check.queue);
  if (!source) {
    const hint = 'Look at the names, and whether live is served at garage.repositoryUrl.';
    throw new AppError('not-published', `Live has no product '${product.name}' in queue '${check.queue}'`, {
      hint,
    });
  }
  const job = installJob.parse({
    ...{ version: 1, kind: 'install', attempt: randomUUID(), instance: await instanceId(garage.home) },
    slot: host.slots, // beside the slots of builds
    base: await baseOf(garage, product, architecture),
    ...{
      driver: garage.config.build.driver,
      extraSources: [source, ...(await furtherSources(garage, product, architecture))],
      timeoutS: TIMEOUT_S,
      maxLogBytes: MAX_LOG_BYTES,
    },
    packages: check.packages,
    command: check.command,
  });
  return aloneOnHost(garage, host.id, ALONE.installCheck, () => carryOut(garage, host, job));
}

async function carryOut(
  garage: Garage,
  host: HostRow,
  job: ReturnType<typeof installJob.parse>,
): Promise<InstallCheckResult> {
  const { privateFile } = await ensureKeyPair(garageKeyFile(garage), 'autobuilder garage');
  const bundle = await bundleRunner();
  const remote = await openRemote(host, await readFile(privateFile, 'utf8'), bundle);
  const scratch = await mkdtemp(path.join(tmpdir(), 'autobuilder-install-check-'));
  const folder = remoteFolder(remote, job.instance, job.attempt);
  try {
    await pushRunner(remote, bundle);
    await makeFolder(remote, folder);
    await pushFile(await remote.connection.files(), Buffer.from(JSON.stringify(job)), `${folder}/job.json`);
    await callRunner(remote, ['start', folder]);
    const file = path.join(scratch, 'build.log');
    await followLog(remote, folder, file, MAX_LOG_BYTES, AbortSignal.timeout(TIMEOUT_S * 1000));
    const log = await readFile(file, 'utf8');
    const { result } = await readResult(remote, folder, job.attempt);
    return { result, log, output: outputIn(log) };
  } finally {
    await callRunner(remote, ['remove', folder]).catch(() => undefined); // the slot's next job cleans up
    remote.connection.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

function outputIn(log: string): string {
  const begin = log.indexOf(`${OUTPUT_BEGIN}\n`);
  if (begin < 0) return '';
  const text = log.slice(begin + OUTPUT_BEGIN.length + 1);
  const end = text.indexOf(OUTPUT_END);
  return end < 0 ? text : text.slice(0, end);
}
