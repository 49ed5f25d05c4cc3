/** Staging's pool against the database: what is missing, changed, odd, too much, or left over. */
import type { Stats } from 'node:fs';
import path from 'node:path';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import { placesOf } from '../../places.ts';
import { targetsOf } from '../../sync/targets.ts';
import { filesBelow } from '../walk.ts';
import type { Recorded } from './facts.ts';
import { report, type Look } from './look.ts';
import { look as lookAt } from './sums.ts';

/** What a run that is under way may be writing is younger. */
export const LEFT_OVER_MS = 3600_000;
/** pool_files' time is the database's, the file's is the disk's. */
const CLOCKS_APART_MS = 5_000;
const WANTED_MODE = 0o644;

export async function checkPool(look: Look): Promise<void> {
  const present = new Set<string>();
  for await (const found of filesBelow(look.places.pool)) {
    if (!found.isHidden) present.add(found.path);
    const stats = await lookAt(joinInside(look.places.pool, found.path));
    if (stats === null) continue; // gone meanwhile
    if (found.isHidden) checkTemporary(look, found.path, stats);
    else await checkFile(look, found.path, stats);
  }
  for (const [file, need] of look.facts.needed) {
    if (!look.facts.recorded.has(file)) {
      report(look, 'file-unrecorded', file, 'A package names it, and pool_files does not know it');
    } else if (!present.has(file)) {
      await reportMissing(look, file, need === 'member' ? 'member-file-missing' : 'kept-file-missing');
    }
  }
}

function checkTemporary(look: Look, file: string, stats: Stats): void {
  if (Date.now() - stats.ctimeMs < LEFT_OVER_MS) return;
  report(
    look,
    'pool-temporary-left',
    file,
    `It was written at ${stats.ctime.toISOString()} and never finished`,
  );
}

async function checkFile(look: Look, file: string, stats: Stats): Promise<void> {
  if (!stats.isFile()) return report(look, 'pool-file-odd', file, 'It is a link or a special file');
  if ((stats.mode & 0o777) !== WANTED_MODE) {
    report(look, 'pool-file-mode', file, `Its mode is 0${(stats.mode & 0o777).toString(8)}, not 0644`);
  }
  const recorded = look.facts.recorded.get(file);
  if (!recorded) return report(look, 'pool-file-stray', file, 'The database does not know it');
  const problem = await changeOf(look, file, stats, recorded);
  if (problem === null) return;
  const copies = await intactCopies(look, file, recorded);
  if (copies.length > 0) report(look, 'pool-copy-changed', file, problem, copies);
  else report(look, 'pool-file-changed', file, problem, possibleCopies(look, file));
}

/** What is wrong with the content, or null. */
async function changeOf(look: Look, file: string, stats: Stats, recorded: Recorded): Promise<string | null> {
  if (stats.size !== recorded.size) {
    return `It has ${String(stats.size)} bytes, not ${String(recorded.size)}`;
  }
  const isNewer = stats.mtimeMs > recorded.recordedAt.getTime() + CLOCKS_APART_MS;
  if (!isNewer && !look.isRead(file)) return null;
  const sum = await look.sums.sha256(joinInside(look.places.pool, file), stats);
  if (sum === recorded.sha256) return null;
  return sum === null ? 'It cannot be read' : `Its SHA256 is ${sum}, not ${recorded.sha256}`;
}

async function reportMissing(
  look: Look,
  file: string,
  code: 'member-file-missing' | 'kept-file-missing',
): Promise<void> {
  const recorded = look.facts.recorded.get(file);
  const copies = recorded ? await intactCopies(look, file, recorded) : [];
  if (copies.length > 0) report(look, 'pool-link-missing', file, 'It is not in the pool', copies);
  else report(look, code, file, 'It is not in the pool', possibleCopies(look, file));
}

/** Files of the right content in other queues and in targets of this machine. */
async function intactCopies(look: Look, file: string, recorded: Recorded): Promise<string[]> {
  const { repository, product } = look;
  const roots = targetsOf(repository).flatMap(({ location }) =>
    location.kind === 'local' ? [location.path] : [],
  );
  const pools = repository.common.queues.flatMap(({ name }) => [
    placesOf(repository.home, name, product).pool,
    ...roots.map((root) => path.join(root, name, 'pool', product)),
  ]);
  const copies: string[] = [];
  for (const pool of pools) {
    const copy = joinInside(pool, file);
    if (await look.sums.isIntact(copy, recorded)) copies.push(copy);
  }
  return copies;
}

/** Where a person may look: what this process cannot see or may not trust. */
function possibleCopies(look: Look, file: string): string[] {
  const { home } = look.repository;
  const away = targetsOf(look.repository).filter(({ location }) => location.kind !== 'local');
  return [
    ...away.map((target) => `${target.text} (${look.queue}/pool/${look.product}/${file})`),
    path.join(home.results, look.product, '*', path.basename(file)),
    'a backup',
  ];
}
