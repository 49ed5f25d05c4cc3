/** What testing a host found out. */
import { z } from 'zod';

export const hostCheck = z.strictObject({
  /** connection, login, nodejs, work folder, tools, namespaces, overlay, disk, clock, architecture X, trial build X */
  name: z.string(),
  /** `warning`: it works, but not as well as it could; `skipped`: something before it failed. */
  state: z.enum(['passed', 'failed', 'warning', 'skipped']),
  /** One line for people. */
  says: z.string(),
  /** What to do there about it: commands for a root shell on the host, one a line. */
  fix: z.string().optional(),
});
export type HostCheck = z.infer<typeof hostCheck>;

/** `hosts.test`; the API shows it as it is. */
export const hostReport = z.strictObject({
  passed: z.boolean(),
  /** ISO 8601. */
  at: z.string(),
  checks: z.array(hostCheck),
});
export type HostReport = z.infer<typeof hostReport>;

/** The report of these checks: passed unless one failed. */
export function reportOf(checks: HostCheck[]): HostReport {
  const passed = checks.every(({ state }) => state !== 'failed');
  return { passed, at: new Date().toISOString(), checks };
}

/** Why it failed, in one sentence; empty when it passed. */
export function whyFailed({ checks }: HostReport): string {
  const failed = checks.filter(({ state }) => state === 'failed');
  return failed.map(({ name, says }) => `${name}: ${says}`).join('; ');
}
