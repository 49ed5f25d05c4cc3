/** What retention judges as one: the packages of one version of a source on one architecture. */
import { matchesArchitecture } from '../../../../shared/debian/architecture.ts';
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
  /** Of a source: names and wildcards that it is built for. */
  builtFor?: string[] | null;
}

export interface Slice {
  source: string;
  sourceVersion: string;
  architecture: string;
  /** When its first package came to this queue. */
  since: Date;
  /** None for a version that is no longer built for the architecture: a rung of the ladder all the same. */
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

/** True when a new version does not take the place of the old one: retention decides about that. */
export function keepsOldVersions(rule: KeepRule): boolean {
  return rule.versions > 1 || rule.days > 0;
}

/** Slices of each source and architecture, the newest first. */
export function slicesOf(packages: readonly HeldPackage[]): Slice[][] {
  const ladders = new Map<string, Map<string, Slice>>();
  for (const each of packages) {
    const { source, sourceVersion, architecture, since } = each;
    const ladder = ladders.get(`${source} ${architecture}`) ?? new Map<string, Slice>();
    ladders.set(`${source} ${architecture}`, ladder);
    const slice = ladder.get(sourceVersion) ?? { source, sourceVersion, architecture, since, packages: [] };
    ladder.set(sourceVersion, slice);
    slice.packages.push(each);
    if (since < slice.since) slice.since = since;
  }
  addEmptyRungs(ladders, packages);
  return [...ladders.values()].map((ladder) =>
    [...ladder.values()].toSorted((a, b) => compareVersions(b.sourceVersion, a.sourceVersion)),
  );
}

/** So that binaries leave in time for whose architecture no new ones will come. */
function addEmptyRungs(
  ladders: ReadonlyMap<string, Map<string, Slice>>,
  packages: readonly HeldPackage[],
): void {
  const sources = packages.filter((each) => each.kind === 'source');
  const bySource = Map.groupBy(sources, (each) => each.source);
  for (const ladder of ladders.values()) {
    const [{ source = '', architecture = '' } = {}] = ladder.values();
    if (architecture === 'source') continue;
    for (const { sourceVersion, since, builtFor } of bySource.get(source) ?? []) {
      const isBuilt = builtFor?.some((wildcard) => matchesArchitecture(architecture, wildcard)) ?? true;
      if (isBuilt || ladder.has(sourceVersion)) continue;
      ladder.set(sourceVersion, { source, sourceVersion, architecture, since, packages: [] });
    }
  }
}

/** Why the rule keeps a slice of a ladder, or null when it is too old. */
export function keptByRule(
  ladder: readonly Slice[],
  index: number,
  rule: KeepRule,
  now: Date,
): string | null {
  if (index < rule.versions) return index === 0 ? 'the newest' : `of the newest ${String(rule.versions)}`;
  const supersededMs = ladder[index - 1]?.since.getTime() ?? now.getTime();
  return now.getTime() - supersededMs < rule.days * DAY_MS
    ? `a newer version came less than ${String(rule.days)} days ago`
    : null;
}
