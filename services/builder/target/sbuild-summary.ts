/** What sbuild says about itself: headings while it runs, and the summary at its end. */
import type { ExitClass, Stage } from '../../../shared/protocol/job.ts';

export interface SbuildSummary {
  /** `successful`, `attempted`, `given-back`, `failed`, `skipped`. */
  status: string | null;
  /** `build`, `install-deps`, ...; null after a success. */
  failStage: string | null;
}

/** The last `Status:` and `Fail-Stage:` of the summary; a build may print such lines before it. */
export function readSummary(output: string): SbuildSummary {
  const summary = output.slice(Math.max(output.lastIndexOf('| Summary'), 0));
  const last = (field: string): string | null =>
    [...summary.matchAll(new RegExp(`^${field}: (\\S+)$`, 'gm'))].at(-1)?.[1] ?? null;
  return { status: last('Status'), failStage: last('Fail-Stage') };
}

/** The package's fault, by conventions.md; every other stage is the machine's or a dependency's. */
const PACKAGE_STAGES = ['build', 'arch-check', 'check-architecture', 'dpkg-buildpackage', 'parse-changes'];

/** Whose fault an unsuccessful summary is; `install-deps` is looked at further by its caller. */
export function classOfSummary(summary: SbuildSummary): Exclude<ExitClass, 'success'> {
  if (summary.failStage === null) return 'machine';
  if (PACKAGE_STAGES.includes(summary.failStage)) return 'package';
  return summary.failStage === 'install-deps' ? 'dep-wait' : 'machine';
}

const HEADING = /^\| (.+?) +\|$/;

/** The stage that a line of sbuild's log begins, or null. Headings are its boxed lines. */
export function stageOfLine(line: string): Stage | null {
  const heading = HEADING.exec(line)?.[1];
  if (heading === undefined) return null;
  if (heading === 'Update chroot' || heading === 'Fetch source files') return 'setup';
  if (heading.startsWith('Install')) return 'setup';
  return heading === 'Build' ? 'build' : null;
}
