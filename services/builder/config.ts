import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { architectureName } from '../../shared/protocol/names.ts';
import { listenAddress } from '../../shared/config/fields.ts';

/** More builds at a time need more memory and disk than a machine that nobody configured is known to have. */
const MAX_DEFAULT_SLOTS = 8;

const absolutePath = z.string().startsWith('/', 'must be an absolute path');

/**
 * Section `builder`: this machine as a builder host. Hosts that an admin adds by hand run their own sshd and
 * need none of it.
 */
export const builderSection = z.strictObject({
  /** Where this host's own sshd listens; port 0 takes a free one and keeps to it while it can. */
  listen: listenAddress.prefault('127.0.0.1:2223'),
  /** Builds at a time. */
  slots: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(() => Math.min(availableParallelism(), MAX_DEFAULT_SLOTS)),
  /**
   * Bases and attempts lie here; several installations may share one. Default: as root
   * `/var/lib/autobuilder/builder/work`, as a normal user `$AUTOBUILDER_HOME/builder/work`.
   */
  workdir: z
    .string()
    .regex(/^\/[A-Za-z0-9@%+=._/-]+$/, 'must be an absolute path of letters, digits and @%+=._-')
    .optional(),
  /** What it builds for; default: what runs without emulation. Others need qemu-user-static and binfmt-support. */
  architectures: z.array(architectureName).min(1).optional(),
  /** Whom garage logs in as; default: `autobuilder-builder` as root, oneself otherwise. */
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')
    .optional(),
  /** Where the host makes itself known; default `$AUTOBUILDER_HOME/builder/host.json`. */
  hostFile: absolutePath.optional(),
  /** Garage's public key; default `$AUTOBUILDER_HOME/garage/ssh/id_ed25519.pub`. */
  authorizedKey: absolutePath.optional(),
  /** `/healthz` for a supervisor, for example `127.0.0.1:8084`; off unless given. */
  health: listenAddress.optional(),
});
export type BuilderConfig = z.infer<typeof builderSection>;
