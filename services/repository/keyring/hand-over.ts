/**
 * Brings the keyring package into every queue and product by the way that all packages come: a set in
 * incoming, checked like any other. Looked at again in each sweep: a queue that has neither the version, nor
 * the set, nor ever decided on it, gets it.
 *
 * An archive that was renamed goes on with the packages of its older names, until somebody removes them from the
 * queue: clients that have one of these trust by it, and would miss a rotation.
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
const HOST = 'repository';
/** Making the package takes milliseconds. */
const LOCK_WAIT_S = 30;

/** Hands the package over where it is due; true when it was anywhere. */
export async function handOverKeyring(repository: Repository): Promise<boolean> {
  if (!repository.config.keyringPackage) return false;
  const source = keyringPackageName(repository.common.name);
  const due: At[] = [];
  for (const at of queueProducts(repository.common)) {
    if (await isDue(repository, at, source)) due.push(at);
  }
  if (due.length === 0) return false;
  // A command does the same beside the service.
  await withFileLock(path.join(repository.home.repository, 'keyring.lock'), LOCK_WAIT_S, async () => {
    for (const at of due) {
      // The current name last: as long as it is due, the others are looked at too.
      for (const each of [...(await olderNames(repository, at, source)), source]) {
        if (await isDue(repository, at, each)) await handOver(repository, at, each);
        await repository.step('keyring-handed-over');
      }
    }
  });
  return true;
}

interface At {
  queue: string;
  product: string;
}

/** Packages of this kind that the queue holds under another name. */
async function olderNames(repository: Repository, { queue, product }: At, source: string): Promise<string[]> {
  const { rows } = await repository.pool.query<{ source: string }>(
    `select distinct s.source from sets s
      where s.queue = $1 and s.product = $2 and s.source <> $3 and s.status = 'installed'
        and s.manifest -> 'provenance' ->> 'uploader' = $4 and s.manifest -> 'provenance' ->> 'host' = $5
        and exists (select from published p where (p.queue, p.product, p.source) = ($1, $2, s.source))
      order by s.source`,
    [queue, product, source, UPLOADER, HOST],
  );
  return rows.map((row) => row.source);
}

/** The set of this version of one of the packages. */
function setId(repository: Repository, at: At, source: string): string {
  return derivedId({ ...at, id: `keyring ${repository.signer.keyring.version} ${source}`, folder: '' });
}

async function isDue(repository: Repository, at: At, source: string): Promise<boolean> {
  const id = setId(repository, at, source);
  const folder = path.join(repository.home.repositoryIncoming, at.queue, at.product, id);
  if (await lstat(folder).catch(() => null)) return false;
  // Before archives could be renamed, sets were known by the version alone.
  const before = derivedId({ ...at, id: `keyring ${repository.signer.keyring.version}`, folder: '' });
  const { rowCount } = await repository.pool.query(
    'select 1 from sets where id = $1 or (id = $2 and source = $3)',
    [id, before, source],
  );
  return rowCount === 0;
}

async function handOver(repository: Repository, at: At, source: string): Promise<void> {
  const id = setId(repository, at, source);
  const { common, config, signer, home } = repository;
  const component = common.products.find((product) => product.name === at.product)?.components[0];
  if (component === undefined) throw new AppError('product-unknown', `There is no product '${at.product}'`);
  const { version } = signer.keyring;
  const files = await makeKeyringPackage({
    ...{ name: nameFor(source, common.name), email: config.keyEmail, version, product: 'unstable' },
    keyring: signer.publicKey.binary,
  });
  const parent = path.join(home.repositoryIncoming, at.queue, at.product);
  // Sets whose name starts with a dot are not looked at; one that a crash left is made anew.
  const making = path.join(parent, '.keyring');
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  for (const { name, content } of files) await writeFile(path.join(making, name), content);
  const manifest = manifestOf(repository, { ...at, id, component, source, version }, files);
  await writeFileDurably(path.join(making, MANIFEST), JSON.stringify(manifest));
  await renameDurably(making, path.join(parent, id));
}

/** An older name is known by its package only. */
function nameFor(source: string, name: string): string {
  return source === keyringPackageName(name) ? name : source.replace(/-archive-keyring$/, '');
}

function manifestOf(
  repository: Repository,
  set: At & { id: string; component: string; source: string; version: string },
  files: readonly MadeFile[],
): SetManifest {
  const { version, ...place } = set;
  return {
    ...{ version: 1, ...place },
    ...{ sourceVersion: version, architecture: 'all', dsc: files[0]?.name ?? '' },
    files: files.map(({ name, content }) => ({
      ...{ name, size: content.length },
      sha256: createHash('sha256').update(content).digest('hex'),
    })),
    provenance: {
      ...{ uploadId: set.id, uploader: UPLOADER, signedBy: null, buildId: 0, host: HOST },
      builtAt: repository.now().toISOString(),
    },
  };
}
