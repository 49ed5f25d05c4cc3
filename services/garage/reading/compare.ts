/** An attempt against the last good one: what else changed when something broke, or was mended; pure. */
import { STAGES } from '../../../shared/protocol/job.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { AttemptFacts, DependencyChanges, LogChanges, NumberChange, VersionChange } from './types.ts';

/** A new release of a distribution changes some hundreds; more says "all of them". */
const MAX_CHANGES = 200;

/** Installed packages, name (with `:arch` where foreign) to version. */
export type Installed = Record<string, string>;

/** One side's record of what was installed while building. */
export interface InstalledFacts {
  /** From the .buildinfo; null for a build that failed. */
  buildinfo: Installed | null;
  /** What apt said in the log. */
  setUp: Installed;
}

/**
 * From `.buildinfo` to `.buildinfo` where both have one. A failed build has none: then by what apt put into
 * both targets, which leaves out what the base had already. Null when neither way says anything.
 */
export function compareInstalled(before: InstalledFacts, after: InstalledFacts): DependencyChanges | null {
  if (before.buildinfo && after.buildinfo) {
    return { by: 'buildinfo', ...changesOf(before.buildinfo, after.buildinfo) };
  }
  if (isEmpty(before.setUp) || isEmpty(after.setUp)) return null;
  return { by: 'log', ...changesOf(before.setUp, after.setUp) };
}

const isEmpty = (installed: Installed): boolean => Object.keys(installed).length === 0;

function changesOf(before: Installed, after: Installed): Pick<DependencyChanges, 'changes' | 'count'> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  const changes: VersionChange[] = names.flatMap((name) => {
    const [from = null, to = null] = [before[name], after[name]];
    return from === to ? [] : [{ name, from, to }];
  });
  return { changes: changes.slice(0, MAX_CHANGES), count: changes.length };
}

/** Whether a change went forward; null where there is no order (new, gone, or not a version). */
export function isUpgrade({ from, to }: VersionChange): boolean | null {
  if (from === null || to === null) return null;
  try {
    return compareVersions(from, to) < 0;
  } catch {
    return null;
  }
}

/** Counts and times. */
export function compareLogs(before: AttemptFacts, after: AttemptFacts): LogChanges {
  const kinds = [...new Set([...Object.keys(before.warnings), ...Object.keys(after.warnings)])].toSorted();
  const warnings = kinds.flatMap((kind): [string, NumberChange][] => {
    const [from = 0, to = 0] = [before.warnings[kind], after.warnings[kind]];
    return from === to ? [] : [[kind, { from, to }]];
  });
  const stageSeconds = STAGES.flatMap((stage): [string, NumberChange][] => {
    const [from, to] = [before.stageSeconds[stage], after.stageSeconds[stage]];
    return from === undefined || to === undefined ? [] : [[stage, { from, to }]];
  });
  return {
    warnings: Object.fromEntries(warnings),
    warningCount: { from: warningCount(before), to: warningCount(after) },
    lines: { from: before.lines, to: after.lines },
    seconds: { from: before.seconds, to: after.seconds },
    stageSeconds: Object.fromEntries(stageSeconds),
  };
}

/** Of all kinds. */
export function warningCount({ warnings }: Pick<AttemptFacts, 'warnings'>): number {
  return Object.values(warnings).reduce((sum, count) => sum + count, 0);
}
