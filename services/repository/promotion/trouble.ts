/**
 * Why an order that nothing speaks against is not carried out: a full disk, a signer that does not answer. That is
 * ours: the order stays open, its row says why, and the next sweep tries again.
 */
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import type { Repository } from '../context.ts';

/** Of an error that is neither a full disk nor one with a code of ours. */
const UNFORESEEN = 'repository-error';

/** Keeps the reason with orders that are still open; that it cannot be kept is no further trouble. */
export async function noteOrderTrouble(
  repository: Pick<Repository, 'pool' | 'log'>,
  ids: readonly string[],
  error: unknown,
): Promise<void> {
  const { code, reason } = reasonOf(error);
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

function reasonOf(error: unknown): { code: string; reason: string } {
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
    const reason =
      "The repository's disk is full. The order is carried out once there is room; nothing else is needed.";
    return { code: 'disk-full', reason };
  }
  const isOurs = error instanceof AppError;
  const why = isOurs ? `: ${error.message.replace(/\.$/, '')}` : '';
  const reason = `The repository could not carry it out and tries again each minute${why}. Its log says more.`;
  return { code: isOurs ? error.code : UNFORESEEN, reason };
}
