/** Which of the packages that were read a queue gets: the newest versions of each source, names that are free. Pure. */
import { compareVersions } from '../../../shared/debian/version.ts';
import type { Queue } from '../../../shared/config/common.ts';
import { keepsOldVersions } from '../upkeep/retention/slices.ts';

/** A package that is offered, or that the queue holds. */
export interface Contender {
  /** Of the item, or of the package that is held. */
  id: string;
  isHeld: boolean;
  component: string;
  kind: string;
  name: string;
  version: string;
  architecture: string;
  source: string;
  sourceVersion: string;
}

export interface Verdict {
  /** The item's. */
  id: string;
  /** Null: it is taken. */
  code: string | null;
  reason: string | null;
}

export interface DecisionScope {
  queue: Pick<Queue, 'name' | 'retention'>;
  product: { name: string; components: readonly string[]; architectures: readonly string[] };
}

export interface Decision {
  verdicts: Verdict[];
  /** Ids of held packages that newer ones take the place of. */
  leave: string[];
}

/**
 * Decides over everything of some sources, all of each: `contenders` in any order. In a queue that keeps old versions
 * none leaves here: retention lets them go, by rules of its own.
 */
export function decide(scope: DecisionScope, contenders: readonly Contender[]): Decision {
  const decision: Decision = { verdicts: [], leave: [] };
  const open: Contender[] = [];
  for (const each of contenders) {
    const outside = each.isHeld ? null : outOfScope(scope, each);
    if (outside) decision.verdicts.push({ id: each.id, ...outside });
    else open.push(each);
  }
  for (const group of groupBy(open, (each) => `${each.source}\n${each.architecture}`)) {
    decideGroup(scope, group, decision);
  }
  return decision;
}

function outOfScope({ product }: DecisionScope, each: Contender): { code: string; reason: string } | null {
  if (!product.components.includes(each.component)) {
    const reason = `${product.name} has no component '${each.component}'`;
    return { code: 'component-unknown', reason };
  }
  if (each.kind === 'source' || ['all', ...product.architectures].includes(each.architecture)) return null;
  return {
    code: 'architecture-unknown',
    reason: `${product.name} has no architecture '${each.architecture}'`,
  };
}

/** The newest versions of one source for one architecture, and of each package the newest build of a version. */
function decideGroup({ queue }: DecisionScope, group: readonly Contender[], decision: Decision): void {
  const versions = [...new Set(group.map((each) => each.sourceVersion))].toSorted((a, b) =>
    compareVersions(b, a),
  );
  const kept = new Set(versions.slice(0, queue.retention.versions));
  for (const builds of groupBy(group, (each) => `${each.kind}\n${each.name}\n${each.sourceVersion}`)) {
    const newest = builds.reduce((a, b) => (prefer(a, b) ? a : b));
    for (const each of builds) {
      const isTaken = kept.has(each.sourceVersion) && each === newest;
      if (isTaken && !each.isHeld) decision.verdicts.push({ id: each.id, code: null, reason: null });
      if (isTaken) continue;
      if (each.isHeld) {
        const isOld = !kept.has(each.sourceVersion) && !keepsOldVersions(queue.retention);
        if (isOld || !isSameVersion(each, newest)) decision.leave.push(each.id);
      } else decision.verdicts.push({ id: each.id, ...older(queue, each, versions[0] ?? '', newest, kept) });
    }
  }
}

/** The newer one; of two of one version the one that is offered, so that its content is compared with the pool's. */
function prefer(a: Contender, b: Contender): boolean {
  const order = compareVersions(a.version, b.version);
  if (order !== 0) return order > 0;
  return !a.isHeld || b.isHeld;
}

function isSameVersion(a: Contender, b: Contender): boolean {
  return compareVersions(a.version, b.version) === 0;
}

function older(
  queue: DecisionScope['queue'],
  each: Contender,
  newestVersion: string,
  newest: Contender,
  kept: ReadonlySet<string>,
): { code: string; reason: string } {
  if (!kept.has(each.sourceVersion)) {
    const { versions } = queue.retention;
    const many = versions === 1 ? 'the newest version' : `the ${String(versions)} newest versions`;
    const reason = `${queue.name} keeps ${many} of a source; of ${each.source} there is ${newestVersion}, this is ${each.sourceVersion}`;
    return { code: 'version-older', reason };
  }
  if (isSameVersion(each, newest)) {
    const reason = `${each.name} ${each.version} for ${each.architecture} is there twice`;
    return { code: 'package-twice', reason };
  }
  return { code: 'version-older', reason: `There is a newer build of ${each.name}: ${newest.version}` };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  return [...Map.groupBy(items, keyOf).values()];
}
