/**
 * The life of an archive key, and when which step of a rotation is safe. Pure.
 *
 *   new -> announced -> active -> retired
 *
 * A client refuses a repository whose signatures are all by keys that it has not got. So a new key is
 * published first (announced), then signs beside the old one until clients have had time to get the new
 * keyring, and only then the old one stops. `new` and `announced` may be given up (retired) at any time.
 */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { KeyState } from './protocol.ts';

const DAY_MS = 24 * 3600 * 1000;
/** A signature made now is looked at by clients for some time: a key that ends within this has ended. */
const EXPIRY_MARGIN_MS = 60_000;

/** What the rules look at. */
export interface KeyFacts {
  fingerprint: string;
  state: KeyState;
  announcedAt: string | null;
  activatedAt: string | null;
  expiresAt: string | null;
}

export interface Rotation {
  /** How long a key is published before it signs. */
  announceDays: number;
  /** How long both keys sign before the old one is retired. */
  dualSignDays: number;
}

export function isExpired(key: Pick<KeyFacts, 'expiresAt'>, now: Date): boolean {
  return key.expiresAt !== null && Date.parse(key.expiresAt) - EXPIRY_MARGIN_MS <= now.getTime();
}

/** The keys whose signatures go out: active and not expired. All active ones when nothing else is left. */
export function signingKeys<T extends KeyFacts>(keys: readonly T[], now: Date): T[] {
  const active = keys.filter((key) => key.state === 'active');
  const good = active.filter((key) => !isExpired(key, now));
  return (good.length > 0 ? good : active).toSorted((a, b) =>
    `${a.activatedAt ?? ''}${a.fingerprint}` < `${b.activatedAt ?? ''}${b.fingerprint}` ? -1 : 1,
  );
}

/** What clients get: announced and active keys. */
export function isPublished(key: Pick<KeyFacts, 'state'>): boolean {
  return key.state === 'announced' || key.state === 'active';
}

const FROM: Record<Exclude<KeyState, 'new'>, readonly KeyState[]> = {
  announced: ['new'],
  active: ['announced'],
  retired: ['new', 'announced', 'active'],
};

/**
 * Throws when `key` may not become `to` now: `key-state` (never from here), `key-last` (nothing would sign),
 * `rotation-too-early` (clients have not had the time; `force` does it all the same).
 */
export function requireChange(
  keys: readonly KeyFacts[],
  key: KeyFacts,
  to: Exclude<KeyState, 'new'>,
  context: { rotation: Rotation; now: Date; force: boolean },
): void {
  if (!FROM[to].includes(key.state)) {
    throw new AppError('key-state', `Key ${key.fingerprint} is ${key.state} and cannot become ${to}`, {
      hint: `A key goes from new to announced to active to retired. ${nextStep(keys, context.rotation, context.now)}`,
    });
  }
  if (to === 'retired' && key.state === 'active') requireSuccessor(keys, key, context.now);
  const due = dueAt(keys, key, to, context.rotation);
  if (due === null || due.getTime() <= context.now.getTime() || context.force) return;
  throw new AppError(
    'rotation-too-early',
    to === 'active'
      ? `Key ${key.fingerprint} is announced until ${day(due)}, so that clients know it before it signs`
      : `Both keys sign until ${day(due)}; clients that have not got the new one would refuse the repository`,
    { hint: 'Wait, or use --force if the old key is in wrong hands.' },
  );
}

/**
 * Throws when letting `key` end at `end` would do harm or nothing: `key-state` (retired), `key-shorter` (it ends later
 * than that, or never; `force` does it all the same).
 */
export function requireExtension(key: KeyFacts, end: Date, force: boolean): void {
  if (key.state === 'retired') {
    throw new AppError('key-state', `Key ${key.fingerprint} is retired; no client needs its end`, {
      hint: 'Keys that sign and what to do next: autobuilder key status',
    });
  }
  if (force || (key.expiresAt !== null && Date.parse(key.expiresAt) <= end.getTime())) return;
  const now = key.expiresAt === null ? 'never ends' : `ends on ${day(new Date(key.expiresAt))}`;
  throw new AppError('key-shorter', `Key ${key.fingerprint} ${now}, which is later than ${day(end)}`, {
    hint: 'Give more --days, or use --force to let it end earlier: clients refuse what it signs from then on.',
  });
}

function requireSuccessor(keys: readonly KeyFacts[], key: KeyFacts, now: Date): void {
  const rest = keys.filter((each) => each.state === 'active' && each !== key);
  if (rest.some((each) => !isExpired(each, now))) return;
  throw new AppError('key-last', `Key ${key.fingerprint} is the only one that signs`, {
    hint: 'Activate its successor first: autobuilder key status',
  });
}

/** When the change is due by the rotation's times; null: at once. */
function dueAt(
  keys: readonly KeyFacts[],
  key: KeyFacts,
  to: Exclude<KeyState, 'new'>,
  rotation: Rotation,
): Date | null {
  if (to === 'active' && key.announcedAt !== null) {
    return new Date(Date.parse(key.announcedAt) + rotation.announceDays * DAY_MS);
  }
  if (to !== 'retired' || key.state !== 'active') return null;
  // The one that has signed beside it for the longest time is the one that clients are likeliest to have.
  const since = keys
    .filter((each) => each.state === 'active' && each !== key && each.activatedAt !== null)
    .map((each) => Math.max(Date.parse(each.activatedAt ?? ''), Date.parse(key.activatedAt ?? '')));
  return new Date(Math.min(...since) + rotation.dualSignDays * DAY_MS);
}

/** What clients will meet after the change, for the person who makes it. */
export function consequences(
  keys: readonly KeyFacts[],
  key: KeyFacts,
  to: Exclude<KeyState, 'new'>,
  packageName: string,
): string[] {
  if (to !== 'retired' || key.state === 'new') return [];
  if (key.state === 'announced')
    return ['It leaves the keyring; it has never signed, so no client needs it.'];
  const published = keys
    .filter((each) => each.state === 'active' && each !== key)
    .map((each) => each.announcedAt ?? each.activatedAt ?? '')
    .toSorted()[0];
  return [
    `Clients whose keyring is older than ${day(new Date(published ?? 0))} (${packageName} not upgraded, key not fetched again since) will refuse the repository: NO_PUBKEY.`,
    'They get it back by fetching the key again: autobuilder howto install',
  ];
}

/** One sentence: what to do next, and when. */
export function nextStep(keys: readonly KeyFacts[], rotation: Rotation, now: Date): string {
  const by = (state: KeyState): KeyFacts[] => keys.filter((key) => key.state === state);
  const [fresh] = by('new');
  if (fresh) return `Next: autobuilder key announce ${short(fresh)}`;
  const [announced] = by('announced');
  if (announced) return next(`activate ${short(announced)}`, dueAt(keys, announced, 'active', rotation), now);
  const active = signingKeys(keys, new Date(0));
  const [oldest] = active;
  if (oldest && active.length > 1) {
    return next(`retire ${short(oldest)}`, dueAt(keys, oldest, 'retired', rotation), now);
  }
  const end = oldest?.expiresAt ?? null;
  if (end === null) return 'Nothing to do: the key has no end. A rotation begins with: autobuilder key new';
  return `The key ends on ${day(new Date(end))}. Before: autobuilder key extend ${short(oldest)}, or a rotation: autobuilder key new`;
}

function next(command: string, due: Date | null, now: Date): string {
  if (due === null || due.getTime() <= now.getTime()) return `Next: autobuilder key ${command}`;
  return `Next, from ${day(due)}: autobuilder key ${command}`;
}

function short(key: KeyFacts | undefined): string {
  return key?.fingerprint.slice(-16) ?? '';
}

/** `2026-01-31`, UTC. */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
