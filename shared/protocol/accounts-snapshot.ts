/**
 * Who may log in at drop: written whole by garage at each change, read by drop at each login.
 * It holds nothing secret, so that a drop host that falls gives nothing away but public keys.
 */
import { z } from 'zod';
import { loginName, productName } from './names.ts';

export const accountsSnapshot = z.strictObject({
  version: z.literal(1),
  /** ISO 8601, UTC. */
  writtenAt: z.string(),
  /** Folders that every account sees. */
  products: z.array(productName),
  accounts: z.array(
    z.strictObject({
      login: loginName,
      /** OpenSSH public key lines: type, base64, optional comment. */
      sshKeys: z.array(z.string()),
    }),
  ),
});
export type AccountsSnapshot = z.infer<typeof accountsSnapshot>;
