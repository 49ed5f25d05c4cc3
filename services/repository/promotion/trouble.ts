/**
 * Why an order that nothing speaks against is not carried out: a full disk, a signer that does not answer. That is
 * ours: the order stays open, its row says why, and the next sweep tries again.
 */
import type { Repository } from '../context.ts';
import { troubleOf, type TroubleWords } from '../trouble.ts';

const WORDS: TroubleWords = {
  whenFull:
    "The repository's disk is full. The order is carried out once there is room; nothing else is needed.",
  otherwise: (why) =>
    `The repository could not carry it out and tries again each minute${why && `: ${why.replace(/\.$/, '')}`}. Its log says more.`,
};

/** Keeps the reason with orders that are still open; that it cannot be kept is no further trouble. */
export async function noteOrderTrouble(
  repository: Pick<Repository, 'pool' | 'log'>,
  ids: readonly string[],
  error: unknown,
): Promise<void> {
  const { code, reason } = troubleOf(error, WORDS);
  try {
    await repository.pool.query(
      `update orders set reason_code = $2, reason = $3
        where id = any($1::bigint[]) and status in ('requested', 'accepted') and reason is distinct from $3`,
      [ids, code, reason],
    );
  } catch (failure) {
    repository.log.warn({ err: failure }, 'why orders wait could not be recorded');
  }
}
