/**
 * Brings the keyring package into every queue and product by the way that all packages come: a set in
 * incoming, checked like any other. Looked at again in each sweep: a queue that has neither the version, nor
 * the set, nor ever decided on it, gets it.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { renameDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import { withFileLock } from '../../../shared/files/lock.ts';
import { keyringPackageName } from '../../../shared/protocol/names.ts';
import { MANIFEST, type SetManifest } from '../../../shared/protocol/set.ts';
import type { Repository } from '../context.ts';
import { derivedId } from '../incoming/set-rows.ts';
import { queueProducts } from '../places.ts';
import { makeKeyringPackage, type MadeFile } from './package.ts';

/** Who brought it, where a person's login stands otherwise. */
const UPLOADER = 'archive-keyring';
/** Making the package takes milliseconds. */
const LOCK_WAIT_S = 30;

/** Hands the package over where it is due; true when it was anywhere. */
export async function handOverKeyring(repository: Repository): Promise<boolean> {
  if (!repository.config.keyringPackage) return false;
  const { version } = repository.signer.keyring;
  const due: (At & { id: string })[] = [];
  for (const at of queueProducts(repository.common)) {
    const id = derivedId({ ...at, id: `keyring ${version}`, folder: '' });
    if (await isDue(repository, at, id)) due.push({ ...at, id });
  }
  if (due.length === 0) return false;
  // A command does the same beside the service.
  await withFileLock(path.join(repository.home.repository, 'keyring.lock'), LOCK_WAIT_S, async () => {
    for (const { id, ...at } of due) {
      if (await isDue(repository, at, id)) await handOver(repository, at, id);
      await repository.step('keyring-handed-over');
    }
  });
  return true;
}

interface At {
  queue: string;
  product: string;
}

async function isDue(repository: Repository, at: At, id: string): Promise<boolean> {
  const folder = path.join(repository.home.repositoryIncoming, at.queue, at.product, id);
  if (await lstat(folder).catch(() => null)) return false;
  const { rowCount } = await repository.pool.query('select 1 from sets where id = $1', [id]);
  return rowCount === 0;
}

async function handOver(repository: Repository, at: At, id: string): Promise<void> {
  const { common, config, signer, home } = repository;
  const component = common.products.find((product) => product.name === at.product)?.components[0];
  if (component === undefined) throw new AppError('product-unknown', `There is no product '${at.product}'`);
  const { version } = signer.keyring;
  const files = await makeKeyringPackage({
    ...{ name: common.name, email: config.keyEmail, version, product: 'unstable' },
    keyring: signer.publicKey.binary,
  });
  const parent = path.join(home.repositoryIncoming, at.queue, at.product);
  // Sets whose name starts with a dot are not looked at; one that a crash left is made anew.
  const making = path.join(parent, '.keyring');
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  for (const { name, content } of files) await writeFile(path.join(making, name), content);
  const manifest = manifestOf(repository, { ...at, id, component, version }, files);
  await writeFileDurably(path.join(making, MANIFEST), JSON.stringify(manifest));
  await renameDurably(making, path.join(parent, id));
}

function manifestOf(
  repository: Repository,
  set: At & { id: string; component: string; version: string },
  files: readonly MadeFile[],
): SetManifest {
  const { version, ...place } = set;
  return {
    ...{ version: 1, ...place, source: keyringPackageName(repository.common.name) },
    ...{ sourceVersion: version, architecture: 'all', dsc: files[0]?.name ?? '' },
    files: files.map(({ name, content }) => ({
      ...{ name, size: content.length },
      sha256: createHash('sha256').update(content).digest('hex'),
    })),
    provenance: {
      ...{ uploadId: set.id, uploader: UPLOADER, signedBy: null, buildId: 0, host: 'repository' },
      builtAt: repository.now().toISOString(),
    },
  };
}
