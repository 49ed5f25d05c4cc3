/**
 * How a builder host makes itself known in the embedded default: `services/builder/main.ts` writes it
 * when its sshd answers, garage registers the host from it. Hosts elsewhere are added by an admin.
 */
import { z } from 'zod';
import { architectureName } from './names.ts';

export const builderHost = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  address: z.string(),
  port: z.number().int().min(1).max(65535),
  username: z.string(),
  /** OpenSSH public key line of the host, pinned by garage. */
  hostKey: z.string(),
  /** Absolute folder on the host for bases and attempts. */
  workdir: z.string(),
  slots: z.number().int().min(1).max(64),
  architectures: z.array(architectureName),
});
export type BuilderHost = z.infer<typeof builderHost>;
