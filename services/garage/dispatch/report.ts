/** The one mail that tells how a source ended, when all its architectures are through; pure. */
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { NewMail } from '../mail/outbox.ts';
import type { BuildStatus } from '../buildme/transitions.ts';
import type { BuildReading } from '../reading/rows.ts';
import { comparisonLines, errorLines } from '../reading/summary.ts';
import { markSentence, markWord, verdictOf, type EndMark } from './verdict.ts';

export interface ReportedBuild {
  id: string;
  architecture: string;
  status: BuildStatus;
  failClass: string | null;
  failReason: string | null;
  /** Stage of the last attempt; null when there was none. */
  stage: string | null;
  /** What its last attempt's log says; null when it was not read. */
  reading: BuildReading | null;
  /** The end of its log, for when nothing else is known; empty when there is none. */
  logTail: string[];
}

export interface ReportedSource {
  product: string;
  name: string;
  version: string;
  recipient: string;
  /** Tells this end from an earlier one of the same source. */
  subjectKey: string;
  builds: ReportedBuild[];
}

/** `url` is garage's own, without a slash at the end; `mark` is what is new about this end. */
export function resultMail(
  source: ReportedSource,
  queue: string,
  url: string,
  mark: EndMark | null = null,
): NewMail {
  const parts = source.builds.map((build) => describe(build, queue, url));
  const word = mark ? ` [${markWord(mark)}]` : '';
  const head = `${source.name} ${source.version} for ${source.product}`;
  return {
    kind: 'result',
    subjectKey: source.subjectKey,
    recipient: source.recipient,
    thread: `${source.product}/${source.name}`,
    subject: `${subjectOf(source, queue)}${word}`,
    body: [head, ...(mark ? [markSentence(mark)] : []), ...parts].join('\n\n') + '\n',
    headers: {
      'X-Debian-Package': source.name,
      'X-Debian-Version': source.version,
      'X-Debian-Architecture': source.builds.map((build) => build.architecture).join(' '),
      'X-Autobuilder-Product': source.product,
      'X-Autobuilder-Result': mark?.kind ?? RESULTS[verdictOf(source.builds)],
    },
  };
}

const RESULTS = { good: 'success', failed: 'failed', waiting: 'waiting', none: 'cancelled' } as const;

function subjectOf({ name, version, product, builds }: ReportedSource, queue: string): string {
  const on = (test: (build: ReportedBuild) => boolean): string =>
    builds
      .filter(test)
      .map((build) => build.architecture)
      .join(', ');
  const refused = on((build) => build.status === 'attempted' && build.failClass === 'repository');
  const unfit = on((build) => build.status === 'attempted' && build.failClass === 'check');
  const failed = on((build) => build.status === 'attempted' && !isBuilt(build));
  const waiting = on((build) => build.status === 'dep-wait');
  const installed = on((build) => build.status === 'installed');
  const which = `${name} ${version}`;
  if (failed) return `${which} FAILED to build on ${failed}`;
  if (unfit) return `${which} FAILED its checks on ${unfit}`;
  if (refused) return `${which} REFUSED by ${queue} on ${refused}`;
  if (waiting) return `${which} waits for dependencies on ${waiting}`;
  if (installed) return `Accepted ${which} (${installed}) into ${queue}`;
  if (builds.some((build) => build.status === 'not-for-us')) {
    return `${which} is not for any architecture of ${product}`;
  }
  return `${which} was cancelled`;
}

/** Failed after its build had succeeded: its log says nothing of why. */
function isBuilt({ failClass }: ReportedBuild): boolean {
  return failClass === 'repository' || failClass === 'check';
}

function describe(build: ReportedBuild, queue: string, url: string): string {
  const lines = [`${build.architecture}: ${sentence(build, queue)}`, `  ${url}/builds/${build.id}`];
  return [...lines, ...details(build).map((line) => `  ${line}`)].join('\n');
}

/** The error of what failed; for what did not, what is different from the last good build. */
function details(build: ReportedBuild): string[] {
  const { status, reading, logTail } = build;
  const isBad = (status === 'attempted' && !isBuilt(build)) || status === 'dep-wait';
  const changes = reading?.comparison && (isBad || status === 'installed') ? reading.comparison : null;
  const errors = isBad && reading ? errorLines(reading.facts) : [];
  const tail =
    isBad && errors.length === 0 && logTail.length > 0
      ? ['The end of its log:', ...logTail.map((line) => `| ${line}`)]
      : [];
  return [...errors, ...tail, ...(changes ? comparisonLines(changes) : [])];
}

function sentence(build: ReportedBuild, queue: string): string {
  const reason = build.failReason ? `: ${build.failReason}` : '';
  switch (build.status) {
    case 'installed':
      return `built and published in ${queue}`;
    case 'attempted':
      if (build.failClass === 'check') return `built, and REFUSED by a check${reason}`;
      if (build.failClass === 'repository') return `built, and REFUSED by the repository${reason}`;
      return `FAILED in stage ${build.stage ?? 'init'} (${build.failClass ?? 'unknown'})${reason}`;
    case 'dep-wait':
      return `cannot be built yet${reason}. It is tried again when something new is published.`;
    case 'not-for-us':
      return 'nothing of this source is for this product';
    case 'superseded':
      return `superseded by a newer version${reason}`;
    case 'cancelled':
      return `cancelled${reason}`;
    case 'needs-build':
    case 'building':
    case 'built':
    case 'uploaded':
    case 'given-back':
      return build.status;
    default:
      return unreachable(build.status);
  }
}
