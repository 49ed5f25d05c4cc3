/** What is read from a finished attempt; stored as JSON in `readings` and shown by page, mail, CLI and API. */
import type { Stage } from '../../../shared/protocol/job.ts';
import type { ErrorKind } from './kinds.ts';

/** The first real error of a failed attempt. */
export interface FirstError {
  kind: ErrorKind;
  /** The line itself. */
  text: string;
  /** Number in build.log, from 1; null where part of the log was left out before it. */
  logLine: number | null;
  /** The file that it names, as it names it. */
  file: string | null;
  /** The line of that file. */
  fileLine: number | null;
  /** Lines around it. */
  before: string[];
  after: string[];
}

export type MissingKind =
  'package' | 'header' | 'library' | 'pkg-config' | 'cmake' | 'program' | 'python' | 'perl' | 'node' | 'file';

/** Something that the build needs and does not have, in the words of whoever looked for it. */
export interface Missing {
  kind: MissingKind;
  name: string;
}

export interface LogFacts {
  lines: number;
  bytes: number;
  /** Bytes in the middle of a very long log that were not read; counts are then too low. */
  skippedBytes: number;
  /** Null for a success, and where nothing was recognised. */
  firstError: FirstError | null;
  /** Names of failing tests, the first ones; `failingTestCount` counts all. */
  failingTests: string[];
  failingTestCount: number;
  missing: Missing[];
  /** How many of each kind: `-Wunused-variable`, `dh_install`, `cmake`, ... */
  warnings: Record<string, number>;
  /** What apt put into the target, name to version. */
  setUp: Record<string, string>;
}

/** The facts of an attempt: the log's, and what the attempt itself says. */
export interface AttemptFacts extends LogFacts {
  exitClass: string;
  stage: string;
  stageSeconds: Partial<Record<Stage, number>>;
  /** From start to end, in seconds. */
  seconds: number;
}

export interface VersionChange {
  name: string;
  /** Null: it was not there. */
  from: string | null;
  /** Null: it is not there any more. */
  to: string | null;
}

export interface DependencyChanges {
  /** `buildinfo`: everything installed while building; `log`: what apt put into the target (a failed build has no .buildinfo). */
  by: 'buildinfo' | 'log';
  changes: VersionChange[];
  /** Of all changes; `changes` holds the first ones. */
  count: number;
}

export interface NumberChange {
  from: number;
  to: number;
}

export interface LogChanges {
  /** Kinds whose count changed. */
  warnings: Record<string, NumberChange>;
  warningCount: NumberChange;
  lines: NumberChange;
  seconds: NumberChange;
  stageSeconds: Partial<Record<Stage, NumberChange>>;
}

export interface FieldChange {
  field: string;
  from: string | null;
  to: string | null;
}

export interface PackageChange {
  name: string;
  architecture: string;
  change: 'added' | 'removed' | 'changed' | 'same';
  size: { from: number | null; to: number | null };
  fields: FieldChange[];
  /** The first paths; counts are of all. Null where one of both was too large to look into. */
  files: {
    added: string[];
    removed: string[];
    /** Same path with another mode, owner or link. */
    altered: string[];
    counts: { added: number; removed: number; altered: number };
  } | null;
}

export interface Comparison {
  with: { buildId: string; attemptId: string; version: string; finishedAt: string };
  /** Null where neither side says what was installed. */
  dependencies: DependencyChanges | null;
  log: LogChanges;
  /** Null for an attempt that built nothing, or whose predecessor's packages were not kept. */
  packages: PackageChange[] | null;
}
