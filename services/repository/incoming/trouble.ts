/**
 * Why a set that is in order still waits: a full disk, a database or signer that does not answer. That is ours, never
 * the package's: the set stays in incoming, its row and health say why, and the next sweep tries again.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { Repository } from '../context.ts';
import { troubleOf, type TroubleWords } from '../trouble.ts';

/** Sets that health names; one reason is mostly that of all. */
const MAX_SHOWN = 20;

export interface WaitingSet {
  queue: string;
  product: string;
  set: string;
  code: string;
  reason: string;
}

const WORDS: TroubleWords = {
  whenFull:
    "The repository's disk is full. The set waits and is tried again: make room, nothing else is needed.",
  otherwise: (why) =>
    `The repository cannot take it in now and tries again${why && `: ${why}`}. Its log says more.`,
};

/** Keeps the reason with the rows of sets that are not decided; that it cannot be kept is no further trouble. */
export async function noteTrouble(
  repository: Pick<Repository, 'pool' | 'log'>,
  ids: readonly string[],
  error: unknown,
): Promise<void> {
  const { code, reason } = troubleOf(error, WORDS);
  try {
    await repository.pool.query(
      `update sets set reason_code = $2, reason = $3 where id = any($1::uuid[]) and status = 'incoming'`,
      [ids, code, reason],
    );
  } catch (failure) {
    repository.log.warn({ err: failure }, 'why sets wait could not be recorded');
  }
}

/** Sets that wait for us, the oldest first. */
export async function waitingSets(database: Queryable): Promise<WaitingSet[]> {
  const { rows } = await database.query<WaitingSet>(
    `select queue, product, id as set, reason_code as code, reason from sets
      where status = 'incoming' and reason_code is not null order by created_at limit $1`,
    [MAX_SHOWN],
  );
  return rows;
}
