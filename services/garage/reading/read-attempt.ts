/**
 * Reads what a finished attempt left in its folder, and holds it against the last good build of the same
 * source on the same architecture for the same product.
 *
 * Done once, before the attempt's end is committed, and stored with it: after that the packages are the
 * repository's. What cannot be read is no reason to hold a build up; the sweep (sweep.ts) tries once more.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseBuildinfo } from '../../../shared/debian/buildinfo.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Result } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';
import { comparePackages } from './compare-packages.ts';
import { compareInstalled, compareLogs, type Installed } from './compare.ts';
import { readPackages, type BuiltPackage } from './deb-contents.ts';
import { readLog } from './read-log.ts';
import { lastGood, packagesOf, type GoodAttempt } from './rows.ts';
import type { AttemptFacts, Comparison, LogFacts, Missing } from './types.ts';

/** dpkg-genbuildinfo writes about 50 bytes a package. */
const MAX_BUILDINFO_BYTES = 4 * 1024 * 1024;
const PACKAGE = /\.(?:deb|udeb|ddeb)$/;

/** What of an attempt is needed to read it. */
export interface ReadableAttempt {
  id: string;
  buildId: string;
  /** Relative to AUTOBUILDER_HOME. */
  directory: string;
  product: string;
  source: string;
  architecture: string;
  startedAt: Date;
}

export interface AttemptEnd {
  exitClass: string;
  result: Pick<Result, 'stage' | 'stageSeconds' | 'missing' | 'limit'> | null;
  /** Default: now. */
  finishedAt?: Date;
}

export interface Reading {
  attemptId: string;
  buildId: string;
  facts: AttemptFacts;
  comparison: Comparison | null;
  /** Of a success; null otherwise. */
  packages: BuiltPackage[] | null;
}

/** Throws what the file system and the database throw; nothing that is in a log or a package makes it throw. */
export async function readAttempt(
  garage: Pick<Garage, 'home' | 'pool'>,
  attempt: ReadableAttempt,
  end: AttemptEnd,
): Promise<Reading> {
  const folder = joinInside(garage.home.root, attempt.directory);
  const isGood = end.exitClass === 'success';
  const log =
    (await readLog(path.join(folder, 'build.log'), !isGood && end.exitClass !== 'cancelled')) ?? NO_LOG;
  const facts = factsOf(attempt, end, log);
  const names = isGood ? await packageNames(folder) : [];
  const packages = names.length > 0 ? await readPackages(folder, names) : null;
  const good = await lastGood(garage.pool, attempt);
  const comparison = good ? await compare(garage, good, { folder, facts, packages }) : null;
  return { attemptId: attempt.id, buildId: attempt.buildId, facts, comparison, packages };
}

async function packageNames(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => []); // an old attempt's may be gone
  return names.filter((name) => PACKAGE.test(name)).toSorted();
}

const NO_LOG: LogFacts = {
  ...{ lines: 0, bytes: 0, skippedBytes: 0, firstError: null, failingTests: [], failingTestCount: 0 },
  ...{ missing: [], warnings: {}, setUp: {} },
};

function factsOf(attempt: ReadableAttempt, end: AttemptEnd, log: LogFacts): AttemptFacts {
  const seconds = ((end.finishedAt ?? new Date()).getTime() - attempt.startedAt.getTime()) / 1000;
  // Killed at a limit: whatever was running says something, and it is not why.
  const isEndedByLimit = end.result?.limit !== undefined;
  const told = (end.result?.missing ?? []).map((name): Missing => ({ kind: 'package', name }));
  const names = new Set(told.map(({ name }) => name));
  const others = log.missing.filter(({ kind, name }) => kind !== 'package' || !names.has(name));
  return {
    ...log,
    firstError: isEndedByLimit && log.firstError?.kind === 'command' ? null : log.firstError,
    missing: [...told, ...others],
    exitClass: end.exitClass,
    stage: end.result?.stage ?? 'init',
    stageSeconds: end.result?.stageSeconds ?? {},
    seconds: Math.max(0, Math.round(seconds * 10) / 10),
  };
}

async function compare(
  garage: Pick<Garage, 'home' | 'pool'>,
  good: GoodAttempt,
  now: { folder: string; facts: AttemptFacts; packages: BuiltPackage[] | null },
): Promise<Comparison> {
  const goodFolder = joinInside(garage.home.root, good.directory);
  const before = await packagesOf(garage.pool, good.attemptId);
  return {
    with: {
      buildId: good.buildId,
      attemptId: good.attemptId,
      version: good.version,
      finishedAt: good.finishedAt.toISOString(),
    },
    dependencies: compareInstalled(
      { buildinfo: await installedIn(goodFolder), setUp: good.facts.setUp },
      { buildinfo: await installedIn(now.folder), setUp: now.facts.setUp },
    ),
    log: compareLogs(good.facts, now.facts),
    packages: before.length > 0 && now.packages !== null ? comparePackages(before, now.packages) : null,
  };
}

/** What the one .buildinfo in a folder says was installed; null where there is none that can be read. */
async function installedIn(folder: string): Promise<Installed | null> {
  const names: string[] = await readdir(folder).catch(() => []);
  const name = names.find((each) => each.endsWith('.buildinfo'));
  if (name === undefined) return null;
  const file = path.join(folder, name);
  if ((await stat(file)).size > MAX_BUILDINFO_BYTES) return null;
  const text = await readFile(file, 'utf8');
  try {
    const { installed } = parseBuildinfo(text);
    return Object.fromEntries(
      installed.map((each) => [
        each.architecture === null ? each.name : `${each.name}:${each.architecture}`,
        each.version,
      ]),
    );
  } catch {
    return null; // a host may send anything
  }
}
