/** Takes over what the repository says about sets, and tells uploaders when a source is through. */
import path from 'node:path';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { SetStatus } from '../../../shared/protocol/tables.ts';
import { moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { queueMail } from '../mail/outbox.ts';
import { readMissed } from '../reading/sweep.ts';
import { logTail } from './log-tail.ts';
import { resultMail, type ReportedBuild, type ReportedSource } from './report.ts';
import { hasRepository } from './repository-tables.ts';

const TAIL_LINES = 20;
/** Mails of one round; the next one takes the rest. */
const MAX_MAILS = 100;
/** Ends before this are not looked at again: a garage that was away longer has other news to tell. */
const LOOK_BACK = '30 days';
const OPEN: BuildStatus[] = ['needs-build', 'building', 'built', 'uploaded', 'given-back'];

/**
 * `uploaded` becomes `installed`, or `attempted` with class `repository` when the set was quarantined; each
 * source without an open build gets its mail, once for each round of attempts.
 */
export async function syncInstalled(garage: Garage): Promise<void> {
  if (await hasRepository(garage.pool)) await followSets(garage);
  await readMissed(garage);
  await mailResults(garage);
}

interface FinishedSet {
  build: string;
  status: Exclude<SetStatus, 'incoming'>;
  reason_code: string | null;
  reason: string | null;
}

async function followSets(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<FinishedSet>(
    `select b.id as build, s.status, s.reason_code, s.reason
       from builds b
       join lateral (select id from attempts where build_id = b.id and exit_class = 'success'
                      order by number desc limit 1) a on true
       join repository.sets s on s.id = a.id
      where b.status = 'uploaded' and s.status <> 'incoming'`,
  );
  for (const { build, status, reason, reason_code: code } of rows) {
    if (status === 'installed') await moveBuild(garage.pool, build, 'uploaded', 'installed');
    else {
      const failReason = reason ?? code ?? 'The repository gave no reason';
      await moveBuild(garage.pool, build, 'uploaded', 'attempted', { failClass: 'repository', failReason });
    }
  }
}

async function mailResults(garage: Garage): Promise<void> {
  const url = garage.config.url.replace(/\/+$/, '');
  for (const source of await sourcesThrough(garage)) {
    await queueMail(garage.pool, resultMail(source, garage.common.queues[0].name, url));
  }
}

interface ThroughRow extends Omit<ReportedSource, 'builds'> {
  builds: (Omit<ReportedBuild, 'logTail'> & { directory: string | null })[];
}

/**
 * Sources of which no build is open and whose end was not told yet. The key names each architecture's last
 * attempt, so a later retry is another end. Nobody is told of a version that a newer one replaced before
 * anything became of it.
 */
async function sourcesThrough(garage: Garage): Promise<ReportedSource[]> {
  const { rows } = await garage.pool.query<ThroughRow>(
    `with ends as (
       select b.source_id,
              b.source_id || ':' || string_agg(b.architecture || '.' || coalesce(a.number, 0), ','
                                               order by b.architecture) as key,
              jsonb_agg(jsonb_build_object(
                'id', b.id::text, 'architecture', b.architecture, 'status', b.status,
                'failClass', b.fail_class, 'failReason', b.fail_reason, 'stage', a.stage,
                'directory', a.directory) order by b.architecture) as builds
         from builds b
         left join lateral (select number, stage, directory from attempts where build_id = b.id
                             order by number desc limit 1) a on true
        where b.source_id in (select source_id from builds where updated_at > now() - $2::interval)
        group by b.source_id
       having not bool_or(b.status = any($1)) and not bool_and(b.status = 'superseded'))
     select s.product, s.name, s.version, c.email as recipient, e.key as "subjectKey", e.builds
       from ends e
       join sources s on s.id = e.source_id
       join uploads u on u.id = s.upload_id
       join accounts c on c.id = u.account_id
      where not exists (select 1 from mails m where m.kind = 'result' and m.subject_key = e.key)
      order by s.id
      limit $3`,
    [OPEN, LOOK_BACK, MAX_MAILS],
  );
  return Promise.all(rows.map((row) => withLogs(garage, row)));
}

async function withLogs(garage: Garage, row: ThroughRow): Promise<ReportedSource> {
  const builds = await Promise.all(
    row.builds.map(async ({ directory, ...build }) => ({
      ...build,
      logTail: directory === null ? [] : await tailOf(garage, directory),
    })),
  );
  return { ...row, builds };
}

function tailOf(garage: Garage, directory: string): Promise<string[]> {
  return logTail(path.join(joinInside(garage.home.root, directory), 'build.log'), TAIL_LINES);
}
