/** When people are warned that an archive key ends; the repository's health and garage's pages and mails agree. */

const DAY_MS = 24 * 3600 * 1000;
/** Days before the end, latest first; 0: it has ended. */
export const WARNING_DAYS = [0, 1, 7, 30] as const;

export interface KeyWarning {
  /** The threshold that was passed: 0, 1, 7 or 30; null for another problem. */
  days: number | null;
  /** A few words: the subject of a mail. */
  subject: string;
  /** One or two sentences, with what to do. */
  text: string;
}

/** What to say of a published key now, or null. */
export function keyWarning(
  key: { fingerprint: string; expiresAt: Date | null; problem: string | null },
  now: Date,
): KeyWarning | null {
  const { expiresAt, problem } = key;
  const id = key.fingerprint.slice(-16);
  const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : expiresAt.getTime() - now.getTime();
  const days = WARNING_DAYS.find((each) => leftMs <= each * DAY_MS);
  if (days === undefined || expiresAt === null) {
    if (problem === null) return null;
    const subject = `archive key ${id} cannot sign`;
    return { days: null, subject, text: `Archive key ${id} cannot sign: ${problem}` };
  }
  const when = expiresAt.toISOString().slice(0, 16).replace('T', ' ');
  const todo = `autobuilder key extend ${id}, or retire it if another key signs; see autobuilder key status`;
  if (days === 0) {
    const text = `Archive key ${id} ended on ${when} UTC: clients refuse what it signed. Do: ${todo}`;
    return { days, subject: `archive key ${id} has ended`, text };
  }
  const near = `within ${String(days)} ${days === 1 ? 'day' : 'days'}`;
  const text = `Archive key ${id} ends on ${when} UTC, ${near}. Before: ${todo}`;
  return { days, subject: `archive key ${id} ends ${near}`, text };
}
