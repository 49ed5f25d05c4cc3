/**
 * Runs in a mount namespace of its own: the repository's folder is a small filesystem in memory, with less and then a
 * little more room each time. Says on stdout, a JSON line a try, what became of the work and what clients would see.
 *
 *   unshare --mount node full-disk-child.ts FOLDER_OF_SETS
 */
import { cp, mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openRepository, type Repository } from '../../services/repository/context.ts';
import { openSource } from '../../services/repository/import/open-source.ts';
import { importRepository } from '../../services/repository/import/run.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { waitingSets } from '../../services/repository/incoming/trouble.ts';
import { queueProducts } from '../../services/repository/places.ts';
import { publishKey } from '../../services/repository/signing/publish-key.ts';
import { hasErrno, messageOf } from '../../shared/errors/app-error.ts';
import { homeFolders } from '../../shared/config/home.ts';
import { runChecked } from '../../shared/process/run.ts';
import { publishedState } from './published-state.ts';

const [sets = ''] = process.argv.slice(2);
/** More than anything here writes. */
const MAX_TRIES = 400;
const AT = { queue: 'devel', product: 'bookworm' };

const home = homeFolders();
await mkdir(home.repository, { recursive: true });
await runChecked(['mount', '-t', 'tmpfs', '-o', 'size=64m,mode=755', 'tmpfs', home.repository]);
const repository = await openRepository();
await repository.signer.refresh();
await publishKey(repository);
for (const each of queueProducts(repository.common)) await sweepQueue(repository, each);

const ballast = path.join(home.repository, 'ballast');

/** Leaves `pages` free for whatever comes. */
async function leaveFree(pages: number): Promise<void> {
  await rm(ballast, { force: true });
  const { bavail, bsize } = await statfs(home.repository);
  await writeFile(ballast, Buffer.alloc(Math.max(0, (bavail - pages) * bsize)));
}

const seen = (): Promise<string | null> =>
  publishedState(path.join(home.staging, AT.queue), path.join(home.staging, 'archive-key.gpg'));

interface Try {
  work: string;
  freePages: number;
  /** What was thrown, if it was. */
  error: string | null;
  isFull: boolean;
  isDone: boolean;
  /** What clients see: still what it was, something new, or what is wrong with it. */
  published: string;
  waiting: string[];
}

/** Tries the work with ever more room until it is done. */
async function tryAll(
  name: string,
  work: () => Promise<unknown>,
  isDone: () => Promise<boolean>,
): Promise<void> {
  const before = await seen();
  for (let freePages = 0; freePages < MAX_TRIES; freePages += 1) {
    await leaveFree(freePages);
    let error: unknown = null;
    await work().catch((thrown: unknown) => {
      error = thrown;
    });
    const done = await isDone();
    const now = await seen().catch((thrown: unknown) => `broken: ${messageOf(thrown)}`);
    const published = now?.startsWith('broken') === true ? now : now === before ? 'old' : 'new';
    const result: Try = {
      ...{ work: name, freePages, error: error === null ? null : messageOf(error) },
      ...{ isFull: hasErrno(error, 'ENOSPC'), isDone: done, published },
      waiting: (await waitingSets(repository.pool)).map((each) => each.code),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (done && published === 'new') break;
  }
  await rm(ballast, { force: true });
}

async function isEmptied(repositoryOfSets: Repository): Promise<boolean> {
  const { rows } = await repositoryOfSets.pool.query<{ open: number }>(
    `select count(*)::int as open from sets where status = 'incoming'`,
  );
  return rows[0]?.open === 0;
}

const incoming = path.join(home.repositoryIncoming, AT.queue, AT.product);
await mkdir(incoming, { recursive: true });
const names = await readdir(path.join(sets, 'sets'));
for (const name of names) {
  await cp(path.join(sets, 'sets', name), path.join(incoming, `.${name}`), { recursive: true });
  await rename(path.join(incoming, `.${name}`), path.join(incoming, name));
}
await tryAll(
  'sets',
  () => sweepQueue(repository, AT),
  () => isEmptied(repository),
);
await sweepQueue(repository, AT);
const left = await readdir(incoming);
const refused = await readdir(path.join(home.repository, 'quarantine')).catch(() => []);
const reasons = await Promise.all(
  refused.map((name) => stat(path.join(home.repository, 'quarantine', name, 'REASON')).then(() => name)),
);
process.stdout.write(`${JSON.stringify({ work: 'end of sets', left, reasons })}\n`);

let imported = false;
await tryAll(
  'import',
  async () => {
    const source = await openSource('directory', path.join(sets, 'loose'), {});
    await importRepository(repository, source, { ...AT, who: null, mode: 'copy', dryRun: false });
    imported = true;
  },
  () => Promise.resolve(imported),
);
await repository.close();
process.exit(0);
