/**
 * `autobuilder check`: database, staging and the targets of this machine against each other, beside a running
 * service; targets elsewhere by what they list.
 *
 * The first look takes no lock, since reading a pool takes long. What looks wrong is looked at again under the
 * publish lock with the rows of then: a publish, a collection or a sync that was under way is no finding.
 * Repairs happen under that lock too, and each is looked at once more.
 */
import { rm } from 'node:fs/promises';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import type { Queryable } from '../../../../shared/database/pool.ts';
import type { Repository } from '../../context.ts';
import { requireProduct, requireQueue } from '../../indexes/release.ts';
import { withQueueLock, type QueueLock } from '../../locks.ts';
import { queueProducts } from '../../places.ts';
import { readFacts } from './facts.ts';
import { findingKey, type Finding } from './findings.ts';
import { checkGenerations } from './generations.ts';
import { checkLeftovers } from './leftovers.ts';
import { checkLive } from './live.ts';
import { makeLook, type Look } from './look.ts';
import { checkPool } from './pool.ts';
import { checkRemotes, isElsewhere } from './remote.ts';
import { repair } from './repair.ts';
import { Sums } from './sums.ts';

/** A queue manager may be publishing a large set; past this the queue is told to be busy. */
const LOCK_WAIT_MS = 60_000;

interface At {
  queue: string;
  product: string;
}

export interface CheckOptions {
  /** Sizes and times instead of contents. */
  isQuick?: boolean;
  repair?: boolean;
  queue?: string;
  product?: string;
  /** Told of each part as it begins, and of bytes as they are read. */
  onProgress?: (progress: { at: At; bytes: number }) => void;
}

/** Everything that is wrong, and what became of it. Throws `queue-unknown` or `product-unknown`. */
export async function checkRepository(
  repository: Repository,
  options: CheckOptions = {},
): Promise<Finding[]> {
  if (options.queue !== undefined) requireQueue(repository.common, options.queue);
  if (options.product !== undefined) requireProduct(repository.common, options.product);
  let bytes = 0;
  let now: At = { queue: '', product: '' };
  const sums = new Sums((read) => {
    bytes += read;
    options.onProgress?.({ at: now, bytes });
  });
  const findings: Finding[] = [];
  for (const at of queueProducts(repository.common)) {
    if (at.queue !== (options.queue ?? at.queue) || at.product !== (options.product ?? at.product)) continue;
    now = at;
    options.onProgress?.({ at, bytes });
    findings.push(...(await checkProduct(repository, at, sums, options)));
  }
  if (options.queue === undefined && options.product === undefined) {
    findings.push(...(await leftovers(repository, options)));
  }
  return findings;
}

async function checkProduct(
  repository: Repository,
  at: At,
  sums: Sums,
  options: CheckOptions,
): Promise<Finding[]> {
  const here = await lookAt(repository, repository.pool, at, sums, () => options.isQuick !== true);
  const suspects = [...here.found, ...(await checkRemotes(here))];
  if (suspects.length === 0) return [];
  const lockAt = { kind: 'publish', ...at, waitMs: LOCK_WAIT_MS } as const;
  const confirmed = await withQueueLock(repository.pool, lockAt, (lock) =>
    lookAgain(repository, lock, suspects, sums, options.repair === true),
  );
  return confirmed ?? [busy(at, suspects.length)];
}

async function lookAgain(
  repository: Repository,
  lock: QueueLock,
  suspects: readonly Finding[],
  sums: Sums,
  isRepairing: boolean,
): Promise<Finding[]> {
  const subjects = new Set(suspects.map((each) => each.subject));
  const again = (): Promise<Look> =>
    lookAt(repository, lock.client, lock, sums, (subject) => subjects.has(subject));
  const confirmed = await again();
  confirmed.found.push(...suspects.filter(isElsewhere)); // listed without the lock, which nobody must wait for
  if (!isRepairing || confirmed.found.length === 0) return confirmed.found;
  for (const finding of confirmed.found) {
    try {
      finding.outcome = await repair(confirmed, lock, finding);
    } catch (error) {
      repository.log.error({ err: error, ...finding }, 'repair failed');
      finding.outcome = 'failed';
    }
  }
  const left = new Set((await again()).found.map(findingKey));
  for (const finding of confirmed.found) {
    if (finding.outcome === 'repaired' && left.has(findingKey(finding))) finding.outcome = 'failed';
  }
  return confirmed.found;
}

async function lookAt(
  repository: Repository,
  database: Queryable,
  at: At,
  sums: Sums,
  isRead: (subject: string) => boolean,
): Promise<Look> {
  const { queue, product } = at;
  const facts = await readFacts(database, { queue, product });
  const look = makeLook(repository, { queue, product }, { facts, sums, isRead });
  await checkPool(look);
  await checkGenerations(look);
  await checkLive(look);
  return look;
}

function busy(at: At, count: number): Finding {
  const detail = `${String(count)} things looked wrong while another process held the queue; check again`;
  return { ...at, code: 'queue-busy', subject: 'lock', detail, copies: [], outcome: null };
}

async function leftovers(repository: Repository, options: CheckOptions): Promise<Finding[]> {
  const findings = await checkLeftovers(repository);
  if (options.repair !== true) return findings;
  for (const finding of findings.filter((each) => each.code === 'work-left')) {
    await rm(joinInside(repository.home.repository, finding.subject), { recursive: true, force: true });
    finding.outcome = 'repaired';
  }
  return findings;
}
