/** What others read of the keys: `repository.archive_keys` and `repository.signing_state`. */
import { transaction, type Pool } from '../../../shared/database/pool.ts';
import type { KeyringView, KeyView } from './protocol.ts';
import type { SigningTrouble } from './signer.ts';

/** Brings the rows to what the signer says; null when it does not answer, which leaves the keys as they were. */
export async function recordKeys(
  pool: Pool,
  keyring: KeyringView | null,
  trouble: SigningTrouble | null,
): Promise<void> {
  await transaction(pool, async (client) => {
    for (const key of keyring?.keys ?? []) {
      await client.query(
        `insert into archive_keys (fingerprint, user_id, backend, state, created_at, announced_at, activated_at,
                                   retired_at, expires_at, problem)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (fingerprint) do update
            set (user_id, backend, state, created_at, announced_at, activated_at, retired_at, expires_at, problem)
              = (excluded.user_id, excluded.backend, excluded.state, excluded.created_at, excluded.announced_at,
                 excluded.activated_at, excluded.retired_at, excluded.expires_at, excluded.problem)`,
        [
          ...[key.fingerprint, key.userId, key.backend, key.state, key.createdAt],
          ...[key.announcedAt, key.activatedAt, key.retiredAt, key.expiresAt, key.problem],
        ],
      );
    }
    if (keyring) {
      const known = keyring.keys.map((key) => key.fingerprint);
      await client.query('delete from archive_keys where not fingerprint = any($1::text[])', [known]);
    }
    await client.query(
      `insert into signing_state (code, message, since, keyring_version)
       values ($1, $2, coalesce($3::timestamptz, now()), coalesce($4, ''))
       on conflict (only_row) do update
          set code = excluded.code, message = excluded.message, checked_at = now(),
              since = case when signing_state.code is not distinct from excluded.code
                           then signing_state.since else excluded.since end,
              keyring_version = coalesce($4, signing_state.keyring_version)`,
      [trouble?.code ?? null, trouble?.message ?? null, trouble?.since ?? null, keyring?.version ?? null],
    );
  });
}

/** What keeps signatures from being made, as far as it is known; null when nothing does. */
export function troubleOf(keyring: KeyringView | null, last: SigningTrouble | null): SigningTrouble | null {
  if (last) return last;
  const active = keyring?.keys.filter((key) => key.state === 'active') ?? [];
  const [broken] = active;
  if (!broken || active.some((key: KeyView) => key.problem === null)) return null;
  const message = broken.problem ?? '';
  return { code: 'signing-no-key', message, since: new Date(broken.expiresAt ?? Date.now()) };
}
