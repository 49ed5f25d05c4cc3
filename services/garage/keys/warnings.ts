/** What the repository's tables say of its keys, for the people who look after them. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { keyWarning } from '../../../shared/protocol/key-expiry.ts';
import type { ArchiveKeyRow, SigningStateRow } from '../../../shared/protocol/tables.ts';
import { repositoryRows } from '../web/repository.ts';

export interface SigningWarning {
  /** Told once each: the key, when it ends and how near that is; or the trouble and since when. */
  id: string;
  /** Of its mail. */
  subject: string;
  text: string;
}

/**
 * What somebody should do something about, worst first; nothing while the repository has no tables. Trouble of
 * signing counts once it has lasted for `grace`, a PostgreSQL interval.
 */
export async function signingWarnings(
  database: Queryable,
  now: Date,
  grace = '0 seconds',
): Promise<SigningWarning[]> {
  const states = await repositoryRows<SigningStateRow>(
    database,
    `select code, message, since from repository.signing_state
      where code is not null and since <= now() - $1::interval`,
    [grace],
  );
  const keys = await repositoryRows<ArchiveKeyRow>(
    database,
    `select fingerprint, expires_at, problem from repository.archive_keys
      where state in ('announced', 'active') order by expires_at nulls last, fingerprint`,
    [],
  );
  return [...(states ?? []).map(troubleWarning), ...(keys ?? []).flatMap((key) => ofKey(key, now))];
}

function troubleWarning({ code, message, since }: SigningStateRow): SigningWarning {
  return {
    id: `${code ?? ''} ${since.toISOString()}`,
    subject: 'nothing can be signed',
    text: `Nothing can be signed, so nothing is published: ${message ?? ''}`,
  };
}

function ofKey(key: ArchiveKeyRow, now: Date): SigningWarning[] {
  const { fingerprint, expires_at: expiresAt, problem } = key;
  const warning = keyWarning({ fingerprint, expiresAt, problem }, now);
  if (!warning) return [];
  const end = expiresAt?.toISOString() ?? '';
  return [
    {
      id: `${fingerprint} ${end} ${String(warning.days ?? problem)}`,
      subject: warning.subject,
      text: warning.text,
    },
  ];
}
