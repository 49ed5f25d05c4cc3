/** When people are warned that an archive key ends; the repository's health and garage's pages and mails agree. */

const DAY_MS = 24 * 3600 * 1000;
/** Days before the end, latest first; 0: it has ended. */
export const WARNING_DAYS = [0, 1, 7, 30] as const;

export interface KeyWarning {
  /** The threshold that was passed: 0, 1, 7 or 30; null for another problem. */
  days: number | null;
  /** One sentence, with what to do. */
  text: string;
}

/** What to say of a published key now, or null. */
export function keyWarning(
  key: { fingerprint: string; expiresAt: Date | null; problem: string | null },
  now: Date,
): KeyWarning | null {
  const leftMs = key.expiresAt === null ? Number.POSITIVE_INFINITY : key.expiresAt.getTime() - now.getTime();
  const days = WARNING_DAYS.find((each) => leftMs <= each * DAY_MS);
  const id = key.fingerprint.slice(-16);
  const todo = `autobuilder key extend ${id}, or retire it if another key signs; see autobuilder key status`;
  if (days === undefined) {
    return key.problem === null
      ? null
      : { days: null, text: `Archive key ${id} cannot sign: ${key.problem}` };
  }
  const when = key.expiresAt?.toISOString().slice(0, 16).replace('T', ' ') ?? '';
  const text =
    days === 0
      ? `Archive key ${id} ended on ${when} UTC: clients refuse what it signed. Do: ${todo}`
      : `Archive key ${id} ends on ${when} UTC, within ${String(days)} ${days === 1 ? 'day' : 'days'}. Before: ${todo}`;
  return { days, text };
}
