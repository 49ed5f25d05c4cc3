/** What was read, in a few plain lines: for mails and the command line; pure. */
import { unreachable } from '../../../shared/errors/app-error.ts';
import { STAGES } from '../../../shared/protocol/job.ts';
import { isUpgrade, warningCount } from './compare.ts';
import { ERROR_KINDS } from './kinds.ts';
import type { BuildReading } from './rows.ts';
import type {
  AttemptFacts,
  Comparison,
  DependencyChanges,
  FirstError,
  Missing,
  PackageChange,
  VersionChange,
} from './types.ts';

/** Lines around an error in a mail; the page has all that was kept. */
const BEFORE_LINES = 3;
const AFTER_LINES = 6;
const MAX_LINE_CHARS = 160;
/** Names in one line. */
const MAX_NAMES = 8;

/** `src/main.c:41`, `src/main.c`, or null. */
export function placeOf({ file, fileLine }: Pick<FirstError, 'file' | 'fileLine'>): string | null {
  if (file === null) return null;
  return fileLine === null ? file : `${file}:${String(fileLine)}`;
}

/** A sentence for people on what an error is about. */
export function explainError({ kind }: Pick<FirstError, 'kind'>): string {
  return ERROR_KINDS[kind];
}

/** The first real error with its surroundings, failing tests, what is missing. Empty when nothing was found. */
export function errorLines(facts: AttemptFacts): string[] {
  const { firstError: error, failingTests, failingTestCount, missing } = facts;
  return [
    ...(error ? [headline(error), ...excerpt(error)] : []),
    ...(failingTests.length > 0 ? [`Failing tests: ${names(failingTests, failingTestCount)}`] : []),
    ...(missing.length > 0 ? [`Missing: ${names(missing.map(describeMissing), missing.length)}`] : []),
  ];
}

function headline(error: FirstError): string {
  const place = placeOf(error);
  return place === null ? explainError(error) : `${explainError(error)} See ${place}`;
}

function excerpt({ before, text, after }: FirstError): string[] {
  const lines = [...before.slice(-BEFORE_LINES), text, ...after.slice(0, AFTER_LINES)];
  const marked = lines.map(
    (line, at) => `${at === Math.min(before.length, BEFORE_LINES) ? '>' : '|'} ${line}`,
  );
  return marked.map((line) => line.slice(0, MAX_LINE_CHARS).toWellFormed().trimEnd());
}

export function describeMissing({ kind, name }: Missing): string {
  return kind === 'package' ? name : `${name} (${kind})`;
}

/** `a, b, c and 5 more`. */
function names(shown: readonly string[], count: number): string {
  const some = shown.slice(0, MAX_NAMES);
  const rest = count - some.length;
  return some.join(', ') + (rest > 0 ? ` and ${String(rest)} more` : '');
}

/** What differs from the last good build; empty when nothing worth a word does. */
export function comparisonLines(comparison: Comparison): string[] {
  const { dependencies, log, packages } = comparison;
  const lines = [
    ...(dependencies ? dependencyLine(dependencies) : []),
    ...(packages ?? []).flatMap(packageLine).slice(0, MAX_NAMES),
    ...warningLine(log.warningCount, log.warnings),
  ];
  const { version, buildId } = comparison.with;
  return lines.length === 0 ? [] : [`Since ${version} (build ${buildId}), the last good one:`, ...lines];
}

function dependencyLine({ changes, count }: DependencyChanges): string[] {
  if (count === 0) return [];
  return [`- build-dependencies: ${names(changes.map(describeChange), count)}`];
}

export function describeChange(change: VersionChange): string {
  const { name, from, to } = change;
  if (from === null) return `${name} ${to ?? ''} is new`;
  if (to === null) return `${name} ${from} is gone`;
  return `${name} ${from} -> ${to}${isUpgrade(change) === false ? ' (older)' : ''}`;
}

function packageLine(change: PackageChange): string[] {
  const { name } = change;
  switch (change.change) {
    case 'same':
      return [];
    case 'added':
      return [`- package ${name} is new`];
    case 'removed':
      return [`- package ${name} is gone`];
    case 'changed':
      return [`- package ${name}: ${describePackage(change)}`];
    default:
      return unreachable(change.change);
  }
}

/** `files 2 added, 1 removed; Depends`. */
function describePackage({ files, fields }: PackageChange): string {
  const counts = Object.entries(files?.counts ?? {}).filter(([, count]) => count > 0);
  const paths = counts.map(([how, count]) => `${String(count)} ${how}`).join(', ');
  const changed = fields.map(({ field }) => field).join(', ');
  return [paths && `files ${paths}`, changed].filter((part) => part !== '').join('; ');
}

function warningLine(count: { from: number; to: number }, kinds: Comparison['log']['warnings']): string[] {
  const more = Object.entries(kinds).filter(([, { from, to }]) => to > from);
  if (more.length === 0) return [];
  const told = more.map(([kind, { from, to }]) => `${kind} +${String(to - from)}`);
  return [`- warnings: ${String(count.to)} (${String(count.from)} before): ${names(told, told.length)}`];
}

/** Everything in plain lines, for the command line. */
export function readingLines({ facts, comparison }: BuildReading): string[] {
  const stages = STAGES.flatMap((stage) => {
    const seconds = facts.stageSeconds[stage];
    return seconds === undefined ? [] : [`${stage} ${seconds.toFixed(1)} s`];
  });
  return [
    ...(stages.length > 0 ? [`Stages: ${stages.join(', ')}`] : []),
    ...errorLines(facts),
    `Warnings: ${String(warningCount(facts))}`,
    ...(comparison ? comparisonLines(comparison) : []),
  ];
}
