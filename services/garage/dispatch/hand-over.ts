/**
 * Hands what was built to the repository: a folder with a manifest that appears by one rename. A build is
 * `built` until that folder stands; done again after a crash it ends in the same state, and a set that the
 * repository has taken already is not made anew.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { wake } from '../../../shared/database/listen.ts';
import { transaction } from '../../../shared/database/pool.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { renameDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { result as resultSchema, type Result } from '../../../shared/protocol/job.ts';
import { MANIFEST, setManifest, type SetManifest } from '../../../shared/protocol/set.ts';
import { REPOSITORY_CHANNEL } from '../../../shared/protocol/tables.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { isBinary } from './check-changes.ts';
import { reasonOf } from './remote.ts';
import { hasRepository } from './repository-tables.ts';
import { attemptRow, type AttemptRow } from './rows.ts';

/** A round's worth; the next one takes the rest. */
const MAX_AT_ONCE = 100;

/**
 * Hands over every build that is `built` and has passed its blocking checks; one that cannot be is logged and
 * stays for the next round. Its packages are kept beside the log as long as checks need them (checks/keep.ts).
 */
export async function handOverBuilt(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string; attempt: string; result: unknown }>(
    `select b.id, a.id as attempt, a.result
       from builds b
       join lateral (select * from attempts where build_id = b.id and exit_class = 'success'
                      order by number desc limit 1) a on true
      where b.status = 'built' and a.checks_planned
        and not exists (select 1 from checks c where c.attempt_id = a.id and c.blocking and c.status <> 'passed')
      order by b.id
      limit $1`,
    [MAX_AT_ONCE],
  );
  for (const row of rows) {
    try {
      const attempt = await attemptRow(garage.pool, row.attempt);
      if (attempt) await handOver(garage, attempt, resultSchema.parse(row.result));
    } catch (error) {
      garage.log.error({ err: error, build: row.id, reason: reasonOf(error) }, 'a set was not handed over');
    }
  }
}

async function handOver(garage: Garage, attempt: AttemptRow, result: Result): Promise<void> {
  const queue = garage.common.queues[0].name;
  const folder = joinInside(garage.home.repositoryIncoming, queue, attempt.product, attempt.id);
  const isTaken = (await isKnown(garage, attempt.id)) || (await exists(folder));
  if (!isTaken) await makeSet(garage, attempt, result, queue, folder);
  await transaction(garage.pool, async (client) => {
    await moveBuild(client, attempt.buildId, 'built', 'uploaded');
    await wake(client, REPOSITORY_CHANNEL);
  });
}

/** True when the repository has taken the set: its folder is gone then, and that is well. */
async function isKnown(garage: Garage, id: string): Promise<boolean> {
  if (!(await hasRepository(garage.pool))) return false;
  const { rowCount } = await garage.pool.query('select 1 from repository.sets where id = $1', [id]);
  return rowCount === 1;
}

async function makeSet(
  garage: Garage,
  attempt: AttemptRow,
  result: Result,
  queue: string,
  folder: string,
): Promise<void> {
  const beside = path.join(path.dirname(folder), `.${attempt.id}.partial`);
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { recursive: true });
  const sources = joinInside(garage.home.root, attempt.sourceDirectory);
  const results = joinInside(garage.home.root, attempt.directory);
  for (const { name } of attempt.files) await place(path.join(sources, name), path.join(beside, name));
  const binaries = result.files.filter((file) => isBinary(file.name));
  for (const { name } of binaries) await place(path.join(results, name), path.join(beside, name));
  const manifest = manifestOf(attempt, result, queue, [...attempt.files, ...binaries]);
  await writeFileDurably(path.join(beside, MANIFEST), JSON.stringify(manifest, null, 2));
  await renameDurably(beside, folder);
}

function manifestOf(
  attempt: AttemptRow,
  result: Result,
  queue: string,
  files: SetManifest['files'],
): SetManifest {
  return setManifest.parse({
    version: 1,
    id: attempt.id,
    queue,
    product: attempt.product,
    component: attempt.component,
    source: attempt.source,
    sourceVersion: attempt.version,
    architecture: attempt.binaries === 'all' ? 'all' : attempt.architecture,
    dsc: attempt.dsc,
    files,
    provenance: {
      uploadId: attempt.uploadId,
      uploader: attempt.uploader,
      signedBy: attempt.signedBy,
      buildId: Number(attempt.buildId),
      host: attempt.host.name,
      builtAt: result.finishedAt,
    },
  });
}

/** A second name where the file system allows one, a copy elsewhere. */
async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      throw new AppError('set-file-missing', `'${from}' is gone; the set cannot be made`, { cause: error });
    }
    if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}

async function exists(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => null)) !== null;
}
