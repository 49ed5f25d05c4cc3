/** The job.json of a check, and the files that go with it. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Queryable } from '../../../shared/database/pool.ts';
import { messageOf, unreachable } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import {
  checkJob,
  result as resultSchema,
  type CheckJob,
  type CheckName,
  type ExtraSource,
} from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import type { Garage } from '../context.ts';
import { isBinary } from '../dispatch/check-changes.ts';
import { JobFault } from '../dispatch/faults.ts';
import { baseOf, limitsOf, productOf } from '../dispatch/job.ts';
import { furtherSources } from '../dispatch/mirror-sources.ts';
import type { CheckRow } from './rows.ts';

/** Seconds that each may take; tests and builds as long as a build. */
const TIMEOUT_S = { install: 20 * 60, lintian: 60 * 60, piuparts: 30 * 60 } as const;
/** Of a check nobody needs more; a rebuild's log is as long as the build's. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** Debian packages of the tools that a check runs in its target. */
const TOOLS: Record<CheckName, string[]> = {
  install: [],
  lintian: ['lintian'],
  autopkgtest: ['autopkgtest'],
  piuparts: ['piuparts'],
  rebuild: [],
};

function needsSource(name: CheckName): boolean {
  return name !== 'install' && name !== 'piuparts';
}

export function timeLimitS(garage: Garage, name: CheckName): number {
  switch (name) {
    case 'install':
    case 'lintian':
    case 'piuparts':
      return TIMEOUT_S[name];
    case 'autopkgtest':
    case 'rebuild':
      return garage.config.build.timeoutS;
    default:
      return unreachable(name);
  }
}

/** A file that goes to the host as `source/<name>`. */
export interface Parcel extends FileEntry {
  file: string;
}

/**
 * Throws JobFault when the packages are not kept any more, or no job can be made of what is configured, and what
 * mirror-sources.ts throws.
 */
export async function makeCheckJob(
  garage: Garage,
  check: CheckRow,
  instance: string,
  devel: ExtraSource,
): Promise<{ job: CheckJob; parcels: Parcel[] }> {
  const { attempt } = check;
  const product = productOf(garage, attempt.product);
  const packages = await packagesOf(garage, attempt.id, attempt.directory);
  const own = new Set(packages.map((each) => each.name));
  const others = (await siblingPackages(garage, check)).filter((each) => !own.has(each.name));
  const parcels = [...packages, ...others, ...(needsSource(check.name) ? sourceParcels(garage, check) : [])];
  const tools = TOOLS[check.name];
  const parsed = checkJob.safeParse({
    ...{ version: 1, kind: 'check', attempt: check.jobId, instance, slot: check.slot, check: check.name },
    base: {
      ...(await baseOf(garage, product, attempt.architecture)),
      ...(tools.length > 0 ? { include: tools } : {}),
    },
    ...{
      driver: garage.config.build.driver,
      extraSources: [devel, ...(await furtherSources(garage, product, attempt.architecture))],
      timeoutS: timeLimitS(garage, check.name),
    },
    maxLogBytes: maxLogBytes(garage),
    limits: limitsOf(garage),
    ...{ source: attempt.source, sourceVersion: attempt.version, binaries: attempt.binaries },
    files: parcels.map(({ name, size, sha256 }) => ({ name, size, sha256 })),
    packages: packages.map((each) => each.name),
    ...(needsSource(check.name) ? { dsc: attempt.dsc } : {}),
    ...{ buildOptions: product.buildOptions, buildProfiles: product.buildProfiles },
    failOn: product.lintian.failOn,
  });
  if (parsed.success) return { job: parsed.data, parcels };
  throw new JobFault(`No job can be made: ${messageOf(parsed.error)}`, parsed.error);
}

export function maxLogBytes(garage: Garage): number {
  return Math.min(MAX_LOG_BYTES, garage.config.build.maxLogBytes);
}

function sourceParcels(garage: Garage, { attempt }: CheckRow): Parcel[] {
  const folder = joinInside(garage.home.root, attempt.sourceDirectory);
  return attempt.files.map((file) => ({ ...file, file: path.join(folder, file.name) }));
}

/** The packages of an attempt, as its result promised them. */
async function packagesOf(garage: Garage, attemptId: string, directory: string): Promise<Parcel[]> {
  const parcels = await keptPackages(garage.pool, garage, attemptId, directory);
  for (const { file, name, size } of parcels) {
    if ((await stat(file).catch(() => null))?.size === size) continue;
    throw new JobFault(`'${name}' is not kept any more; build it again to check it`);
  }
  if (parcels.length === 0) throw new JobFault('The attempt has no packages');
  return parcels;
}

async function keptPackages(
  database: Queryable,
  garage: Garage,
  attemptId: string,
  directory: string,
): Promise<Parcel[]> {
  const { rows } = await database.query<{ result: unknown }>('select result from attempts where id = $1', [
    attemptId,
  ]);
  const parsed = resultSchema.safeParse(rows[0]?.result);
  const folder = joinInside(garage.home.root, directory);
  const files = parsed.success ? parsed.data.files.filter((file) => isBinary(file.name)) : [];
  return files.map((file) => ({ ...file, file: path.join(folder, file.name) }));
}

/** `Architecture: all` packages of the same source that another architecture's build made, where still kept. */
async function siblingPackages(garage: Garage, check: CheckRow): Promise<Parcel[]> {
  if (check.attempt.binaries !== 'any' || !['install', 'piuparts', 'autopkgtest'].includes(check.name))
    return [];
  const { rows } = await garage.pool.query<{ id: string; directory: string }>(
    `select distinct on (o.id) a.id, a.directory
       from builds b join builds o on o.source_id = b.source_id and o.id <> b.id and o.binaries in ('all', 'both')
       join attempts a on a.build_id = o.id
      where b.id = $1 and o.status in ('built', 'uploaded', 'installed') and a.exit_class = 'success'
        and a.packages_kept
      order by o.id, a.number desc`,
    [check.attempt.buildId],
  );
  const parcels: Parcel[] = [];
  for (const { id, directory } of rows) {
    for (const parcel of await keptPackages(garage.pool, garage, id, directory)) {
      const isThere = (await stat(parcel.file).catch(() => null))?.size === parcel.size;
      if (isThere && parcel.name.endsWith('_all.deb')) parcels.push(parcel);
    }
  }
  return parcels;
}
