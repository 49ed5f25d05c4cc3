/** What retention judges as one: the packages of one version of a source on one architecture. */
import { compareVersions } from '../../../../shared/debian/version.ts';

export interface HeldPackage {
  id: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  version: string;
  /** `source` for a source. */
  architecture: string;
  source: string;
  sourceVersion: string;
  /** In this queue. */
  since: Date;
}

export interface Slice {
  source: string;
  sourceVersion: string;
  architecture: string;
  packages: HeldPackage[];
}

export interface KeepRule {
  /** So many of the newest versions of a source on each architecture. */
  versions: number;
  /** An older one stays so many days after a newer came. */
  days: number;
}

const DAY_MS = 24 * 3600_000;

export function versionKey(each: { source: string; sourceVersion: string }): string {
  return `${each.source} ${each.sourceVersion}`;
}

/** Slices of each source and architecture, the newest first. */
export function slicesOf(packages: readonly HeldPackage[]): Slice[][] {
  const ladders = new Map<string, Map<string, Slice>>();
  for (const each of packages) {
    const { source, sourceVersion, architecture } = each;
    const ladder = ladders.get(`${source} ${architecture}`) ?? new Map<string, Slice>();
    ladders.set(`${source} ${architecture}`, ladder);
    const slice = ladder.get(sourceVersion) ?? { source, sourceVersion, architecture, packages: [] };
    ladder.set(sourceVersion, slice);
    slice.packages.push(each);
  }
  return [...ladders.values()].map((ladder) =>
    [...ladder.values()].toSorted((a, b) => compareVersions(b.sourceVersion, a.sourceVersion)),
  );
}

/** Why the rule keeps a slice of a ladder, or null when it is too old. */
export function keptByRule(
  ladder: readonly Slice[],
  index: number,
  rule: KeepRule,
  now: Date,
): string | null {
  if (index < rule.versions) return index === 0 ? 'the newest' : `of the newest ${String(rule.versions)}`;
  const newer = ladder[index - 1];
  const supersededMs = Math.min(...(newer?.packages ?? []).map((each) => each.since.getTime()));
  return now.getTime() - supersededMs < rule.days * DAY_MS
    ? `a newer version came less than ${String(rule.days)} days ago`
    : null;
}
