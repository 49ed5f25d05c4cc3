/** The bases of one host: what it says it has, noted in rows, and making one anew there. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Product } from '../../../shared/config/common.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { baseDigest } from '../../../shared/protocol/base-name.ts';
import {
  baseJob,
  baseList,
  baseSpec,
  result as resultSchema,
  type BaseList,
} from '../../../shared/protocol/job.ts';
import { bundleRunner } from '../../../shared/runner-bundle/bundle.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import { pushFile, readSmallFile } from '../../../shared/ssh/remote-files.ts';
import type { Garage } from '../context.ts';
import { remoteFolder } from '../dispatch/deliver.ts';
import { garageKeyFile } from '../dispatch/dispatcher.ts';
import { HostFault } from '../dispatch/faults.ts';
import { followLog } from '../dispatch/follow.ts';
import { instanceId } from '../dispatch/instance.ts';
import { baseOf } from '../dispatch/job.ts';
import {
  callRunner,
  makeFolder,
  openRemote,
  parseJson,
  pushRunner,
  type Remote,
} from '../dispatch/remote.ts';
import type { HostRow } from '../dispatch/rows.ts';

/** Between the numbers of build slots (to 64) and of checks (from 1000). */
const SLOT = 999;
/** mmdebstrap over a slow line, for a foreign architecture. */
const TIMEOUT_S = 60 * 60;
const MAX_LOG_BYTES = 16 * 1024 * 1024;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** However young it is, a base that is asked for anew is older than this. */
const NOW_HOURS = 1e-6;

/** A connection to the host with this version of the runner on it. The caller closes it. */
export async function reachHost(garage: Garage, host: HostRow): Promise<Remote> {
  const { privateFile } = await ensureKeyPair(garageKeyFile(garage), 'autobuilder garage');
  const bundle = await bundleRunner();
  const remote = await openRemote(host, await readFile(privateFile, 'utf8'), bundle);
  try {
    await pushRunner(remote, bundle);
    return remote;
  } catch (error) {
    remote.connection.close();
    throw error;
  }
}

/** What the host has. Throws HostFault for an answer that is none. */
async function askBases(remote: Remote): Promise<BaseList> {
  const chunks: Buffer[] = [];
  let size = 0;
  await callRunner(remote, ['bases', remote.host.workdir], {
    onStdout: (chunk) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) throw new HostFault('The host says too much about its bases');
      chunks.push(chunk);
    },
  });
  const parsed = baseList.safeParse(parseJson(Buffer.concat(chunks)));
  if (!parsed.success) throw new HostFault('The host does not say which bases it has');
  return parsed.data;
}

/** Of all bases there, the one that builds of the product would take; null when there is none. */
async function current(
  garage: Garage,
  list: BaseList,
  product: Product,
  architecture: string,
): Promise<BaseList[number] | null> {
  const digest = baseDigest(baseSpec.parse(await baseOf(garage, product, architecture)));
  const isIt = (each: BaseList[number]): boolean =>
    each.product === product.name && each.architecture === architecture && each.digest === digest;
  return list.find(isIt) ?? null;
}

export interface HostBase {
  product: Product;
  architecture: string;
  /** Since it was made. */
  ageHours: number;
}

/** Notes what the host has for what is configured, and gives it. */
export async function noteBases(garage: Garage, remote: Remote): Promise<HostBase[]> {
  const list = await askBases(remote);
  const found: HostBase[] = [];
  for (const product of garage.common.products) {
    for (const architecture of product.architectures) {
      const base = await current(garage, list, product, architecture).catch((err: unknown) => {
        garage.log.warn(
          { product: product.name, architecture, err },
          'it is not known which base this takes',
        );
        return undefined;
      });
      if (base === undefined) continue; // what was noted stays
      if (base !== null) found.push({ product, architecture, ageHours: base.ageS / 3600 });
      await garage.pool.query(
        `insert into bases (host_id, product, architecture, made_at, last_used_at)
         select $1, $2, $3, now() - make_interval(secs => $4), now() - make_interval(secs => $5)
          where $4::float8 is not null or exists (select 1 from bases where (host_id, product, architecture) = ($1, $2, $3))
         on conflict (host_id, product, architecture) do update
            set made_at = excluded.made_at, last_used_at = excluded.last_used_at`,
        [remote.host.id, product.name, architecture, base?.ageS ?? null, base?.idleS ?? null],
      );
    }
  }
  return found;
}

/** The log goes to `onLog` while it is made. Throws `base-not-made` with the runner's sentence. */
export async function remakeBase(
  garage: Garage,
  remote: Remote,
  product: Product,
  architecture: string,
  onLog: (text: string) => void = () => undefined,
): Promise<void> {
  const instance = await instanceId(garage.home);
  const job = baseJob.parse({
    ...{ version: 1, kind: 'base', attempt: randomUUID(), instance, slot: SLOT, driver: 'auto' },
    base: { ...(await baseOf(garage, product, architecture)), maxAgeHours: NOW_HOURS },
    ...{ extraSources: [], timeoutS: TIMEOUT_S, maxLogBytes: MAX_LOG_BYTES },
  });
  const folder = remoteFolder(remote, instance, job.attempt);
  const scratch = await mkdtemp(path.join(tmpdir(), 'autobuilder-base-'));
  try {
    await makeFolder(remote, folder);
    const files = await remote.connection.files();
    await pushFile(files, Buffer.from(JSON.stringify(job)), `${folder}/job.json`);
    await callRunner(remote, ['start', folder]);
    const file = path.join(scratch, 'build.log');
    await followLog(remote, folder, file, MAX_LOG_BYTES, AbortSignal.timeout(TIMEOUT_S * 1000));
    onLog(await readFile(file, 'utf8'));
    const text = await readSmallFile(files, `${folder}/result.json`, MAX_ANSWER_BYTES);
    const parsed = resultSchema.safeParse(text === null ? null : parseJson(text));
    if (!parsed.success) throw new HostFault('The runner ended without a result');
    if (parsed.data.exitClass === 'success') return;
    throw new AppError('base-not-made', `Host '${remote.host.name}': ${parsed.data.message}`, {
      hint: 'The log above names the cause; the base that was there stays in use.',
    });
  } finally {
    await callRunner(remote, ['remove', folder]).catch(() => undefined); // the slot's next job cleans up
    await rm(scratch, { recursive: true, force: true });
  }
}
