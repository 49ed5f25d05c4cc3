/** What /healthz says of signing. */
import { keyWarning } from '../../../shared/protocol/key-expiry.ts';
import { troubleOf } from './key-rows.ts';
import type { Signer } from './signer.ts';

export interface SigningHealth {
  /** Why nothing can be signed. */
  trouble: { code: string; message: string; since: string } | null;
  /** What will go wrong unless somebody does something: keys that end soon, keys that cannot sign beside others. */
  warnings: string[];
}

/** From what is known: asks nobody. */
export function signingHealth(signer: Signer, now: Date): SigningHealth {
  const keyring = signer.known;
  const trouble = troubleOf(keyring, signer.trouble);
  const warnings = (keyring?.keys ?? [])
    .filter((key) => key.state === 'announced' || key.state === 'active')
    .flatMap((key) => {
      const end = key.expiresAt === null ? null : new Date(key.expiresAt);
      return (
        keyWarning({ fingerprint: key.fingerprint, expiresAt: end, problem: key.problem }, now)?.text ?? []
      );
    });
  return {
    trouble: trouble && { ...trouble, since: trouble.since.toISOString() },
    warnings,
  };
}
