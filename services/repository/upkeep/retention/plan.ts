/**
 * Which old versions leave a queue. Pure. What the rule (so many versions, so many days) lets go stays all the
 * same while
 *   - a later queue holds that version,
 *   - a binary built from that source version stays, or names it in Built-Using,
 *   - something that stays and could be installed (or built) with it could not be without it.
 * Each of these can keep something that others need in turn, so it goes round until nothing more is kept.
 */
import { builtUsingOf } from '../needed.ts';
import type { RelatedPackage } from '../../installability/items.ts';
import { Losses } from '../../installability/losses.ts';
import { keptByRule, slicesOf, versionKey, type HeldPackage, type KeepRule, type Slice } from './slices.ts';

export interface RetentionInput {
  /** All that the queue holds. */
  packages: readonly HeldPackage[];
  rule: KeepRule;
  now: Date;
  /** {@link versionKey} -> the later queue that holds it. */
  later: ReadonlyMap<string, string>;
  /** Index stanzas by id; asked for only when something would go. */
  stanzas: () => Promise<ReadonlyMap<string, string>>;
  /** The product's. */
  architectures: readonly string[];
}

export interface Verdict extends Omit<Slice, 'packages' | 'since'> {
  /** Names of binaries, or of the source. */
  packages: string[];
  ids: string[];
  leaves: boolean;
  /** A sentence's end, for people. */
  reason: string;
}

/** A verdict on every version that is not the newest of its source and architecture, by source. */
export async function planRetention(input: RetentionInput): Promise<Verdict[]> {
  const reasons = new Map<Slice, string>();
  const ladders = slicesOf(input.packages);
  for (const ladder of ladders) {
    for (const [index, slice] of ladder.entries()) {
      const reason = keptByRule(ladder, index, input.rule, input.now) ?? keptByLater(slice, input);
      if (reason !== null) reasons.set(slice, reason);
    }
  }
  const slices = ladders.flat();
  if (slices.some((slice) => slice.packages.length > 0 && !reasons.has(slice)))
    await keepNeeded(input, slices, reasons);
  const newest = new Set(ladders.map((ladder) => ladder[0]));
  return slices
    .filter((slice) => !newest.has(slice) && slice.packages.length > 0)
    .map((slice) => verdict(slice, reasons.get(slice)))
    .toSorted((a, b) => (a.source < b.source ? -1 : Number(a.source > b.source)));
}

function keptByLater(slice: Slice, { later }: RetentionInput): string | null {
  const queue = later.get(versionKey(slice));
  return queue === undefined ? null : `${queue} holds this version`;
}

function verdict(slice: Slice, reason: string | undefined): Verdict {
  const { source, sourceVersion, architecture, packages } = slice;
  return {
    ...{ source, sourceVersion, architecture },
    packages: packages.map((each) => each.name).toSorted(),
    ids: packages.map((each) => each.id),
    leaves: reason === undefined,
    reason: reason ?? 'newer versions are there, and nothing needs it',
  };
}

async function keepNeeded(
  input: RetentionInput,
  slices: readonly Slice[],
  reasons: Map<Slice, string>,
): Promise<void> {
  const stanzas = await input.stanzas();
  const byId = new Map(slices.flatMap((slice) => slice.packages.map((each) => [each.id, slice] as const)));
  const related: RelatedPackage[] = input.packages.map((each) => ({
    ...each,
    stanza: stanzas.get(each.id) ?? '',
  }));
  const names = new Map(related.map((each) => [each.id, `${each.name} ${each.version}`]));
  const losses = new Losses(related, input.architectures);
  for (;;) {
    keepSources(slices, reasons, stanzas);
    const going = slices.filter((slice) => !reasons.has(slice));
    const leaving = new Set(going.flatMap((slice) => slice.packages.map((each) => each.id)));
    if (leaving.size === 0) return;
    const lost = losses.without(leaving);
    // Each round keeps at least one slice more, so it ends.
    for (const loss of lost) {
      const why = loss.missing === null ? '' : ` (${loss.missing})`;
      for (const id of loss.neededIds) {
        const slice = byId.get(id);
        if (slice && !reasons.has(slice)) {
          reasons.set(slice, `${names.get(loss.id) ?? ''} on ${loss.architecture} needs it${why}`);
        }
      }
    }
    if (lost.length === 0) return;
  }
}

/** Sources of binaries that stay, and what those were built with. */
function keepSources(
  slices: readonly Slice[],
  reasons: Map<Slice, string>,
  stanzas: ReadonlyMap<string, string>,
): void {
  const wanted = new Map<string, string>();
  for (const slice of slices) {
    if (slice.architecture === 'source' || !reasons.has(slice)) continue;
    wanted.set(versionKey(slice), `its binaries for ${slice.architecture} stay`);
    for (const each of slice.packages) {
      for (const { source, version } of builtUsingOf(stanzas.get(each.id) ?? '')) {
        wanted.set(
          versionKey({ source, sourceVersion: version }),
          `Built-Using of ${each.name} ${each.version}`,
        );
      }
    }
  }
  for (const slice of slices) {
    const reason = slice.architecture === 'source' ? wanted.get(versionKey(slice)) : undefined;
    if (reason !== undefined && !reasons.has(slice)) reasons.set(slice, reason);
  }
}
