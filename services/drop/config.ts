import path from 'node:path';
import { z } from 'zod';
import { listenAddress, type ListenAddress } from '../../shared/config/fields.ts';
import type { Home } from '../../shared/config/home.ts';
import { DEFAULT_MAX_FILE_BYTES } from '../../shared/protocol/spool.ts';

const absolutePath = z.string().startsWith('/', 'must be an absolute path');
const count = z.number().int().positive();

/** What one installation lets people do; each is a bound on memory, disk or patience. */
const limits = z.strictObject({
  /** Bytes one file may hold. */
  maxFileBytes: count.default(DEFAULT_MAX_FILE_BYTES),
  /** Files that may wait in one login's folder of one product; a large source package has some dozens. */
  maxFilesPerFolder: count.default(1000),
  /** Connections at once, logged in or not. */
  maxConnections: count.default(200),
  /** Connections of one login at once: `scp` in a loop from a few machines. */
  maxConnectionsPerLogin: count.default(10),
  /** Files arriving at once, over all connections. */
  maxUploads: count.default(100),
  /** Uploads are refused when the file system of the spool has less room than this. */
  minFreeBytes: z
    .number()
    .int()
    .nonnegative()
    .default(256 * 1024 * 1024),
  /** Seconds without a request after which a connection is ended. */
  idleS: z.number().positive().default(300),
  /** Seconds that a connection has to log in. */
  loginS: z.number().positive().default(30),
});
export type Limits = z.infer<typeof limits>;

/** Section `drop`. Every default works on one machine with everything embedded. */
export const dropSection = z.strictObject({
  /** Where the SSH server listens; port 0 takes a free one (the log line `drop listens` names it). */
  listen: listenAddress.prefault('127.0.0.1:2222'),
  /** Where `/healthz` and `/metrics` are answered. */
  http: listenAddress.prefault('127.0.0.1:8082'),
  /** Default `$AUTOBUILDER_HOME/drop/accounts.json`. */
  accountsSnapshot: absolutePath.optional(),
  /** Default `$AUTOBUILDER_HOME/incoming`. */
  incoming: absolutePath.optional(),
  /** OpenSSH private key, made if missing; default `$AUTOBUILDER_HOME/drop/ssh_host_ed25519_key`. */
  hostKey: absolutePath.optional(),
  limits: limits.prefault({}),
});

/** The section with its paths filled in. */
export interface DropConfig {
  listen: ListenAddress;
  http: ListenAddress;
  accountsSnapshot: string;
  incoming: string;
  hostKey: string;
  limits: Limits;
}

/** Fills in the paths that follow from the home folder. */
export function completeDrop(section: z.infer<typeof dropSection>, home: Home): DropConfig {
  return {
    listen: section.listen,
    http: section.http,
    accountsSnapshot: section.accountsSnapshot ?? path.join(home.drop, 'accounts.json'),
    incoming: section.incoming ?? home.incoming,
    hostKey: section.hostKey ?? path.join(home.drop, 'ssh_host_ed25519_key'),
    limits: section.limits,
  };
}
