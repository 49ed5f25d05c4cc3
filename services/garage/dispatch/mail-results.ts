/**
 * Tells of each source whose builds are all through: once for each end, to its uploader and the lists.
 *
 * The end's row and its mails are one transaction, so a crash tells nobody twice and forgets nobody, and the
 * next end knows what was before.
 */
import path from 'node:path';
import { transaction, type Queryable } from '../../../shared/database/pool.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { BuildStatus } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { tell } from '../mail/outbox.ts';
import { buildReading } from '../reading/reading.ts';
import { logTail } from './log-tail.ts';
import { resultMail, type ReportedBuild, type ReportedSource } from './report.ts';
import { markOf, verdictOf, type EarlierEnd } from './verdict.ts';

const TAIL_LINES = 20;
/** Sources that one round looks at; the next one takes the rest. */
const MAX_SOURCES = 100;
const OPEN: BuildStatus[] = ['needs-build', 'building', 'built', 'uploaded', 'given-back'];

export async function mailResults(garage: Garage): Promise<void> {
  const changed = await changedSources(garage);
  if (changed.length === 0) return;
  const ids = changed.map(({ id }) => id);
  for (const source of await sourcesThrough(garage, ids)) await tellEnd(garage, source);
  await garage.pool.query(
    `delete from sources_to_tell t using unnest($1::bigint[], $2::text[]) l (id, at)
      where t.source_id = l.id and t.changed_at::text = l.at`,
    [ids, changed.map(({ at }) => at)],
  );
}

/** Sources of which a build has ended since they were looked at last, and when: what changes now is seen later. */
async function changedSources(garage: Garage): Promise<{ id: string; at: string }[]> {
  const { rows } = await garage.pool.query<{ id: string; at: string }>(
    'select source_id as id, changed_at::text as at from sources_to_tell order by changed_at limit $1',
    [MAX_SOURCES],
  );
  return rows;
}

interface EndedSource extends ReportedSource {
  sourceId: string;
}

async function tellEnd(garage: Garage, source: EndedSource): Promise<void> {
  const url = garage.config.url.replace(/\/+$/, '');
  const verdict = verdictOf(source.builds);
  await transaction(garage.pool, async (client) => {
    const mark = markOf(verdict, await earlierEnd(client, source));
    const { rowCount } = await client.query(
      `insert into source_ends (source_id, key, verdict, mark) values ($1, $2, $3, $4)
       on conflict (key) do nothing`,
      [source.sourceId, source.subjectKey, verdict, mark?.kind ?? null],
    );
    if (rowCount !== 1) return; // somebody else has told it
    const mail = resultMail(source, garage.common.queues[0].name, url, mark);
    await tell(garage, client, mail, 'result', source.product);
  });
}

/** Of the same source in the same product, whatever its version. */
async function earlierEnd(database: Queryable, source: EndedSource): Promise<EarlierEnd | null> {
  const { rows } = await database.query<EarlierEnd>(
    `select e.verdict, s.version
       from source_ends e join sources s on s.id = e.source_id
      where s.product = $1 and s.name = $2 and e.verdict in ('good', 'failed')
      order by e.id desc limit 1`,
    [source.product, source.name],
  );
  return rows[0] ?? null;
}

interface ThroughRow extends Omit<EndedSource, 'builds'> {
  builds: (Omit<ReportedBuild, 'logTail' | 'reading'> & { directory: string | null })[];
}

/**
 * Sources of which no build is open and whose end was not told yet. The key names each architecture's last
 * attempt, so a later retry is another end; but one that still misses the same packages is not. Nobody is told of a version that a newer one replaced before
 * anything became of it.
 */
async function sourcesThrough(garage: Garage, ids: string[]): Promise<EndedSource[]> {
  const { rows } = await garage.pool.query<ThroughRow>(
    `with ends as (
       select b.source_id,
              b.source_id || ':' || string_agg(b.architecture || '.' ||
                                                 case b.status when 'dep-wait' then md5(coalesce(b.fail_reason, ''))
                                                               else coalesce(a.number, 0)::text end,
                                               ',' order by b.architecture) as key,
              jsonb_agg(jsonb_build_object(
                'id', b.id::text, 'architecture', b.architecture, 'status', b.status,
                'failClass', b.fail_class, 'failReason', b.fail_reason, 'stage', a.stage,
                'directory', a.directory) order by b.architecture) as builds
         from builds b
         left join lateral (select number, stage, directory from attempts where build_id = b.id
                             order by number desc limit 1) a on true
        where b.source_id = any($2)
        group by b.source_id
       having not bool_or(b.status = any($1)) and not bool_and(b.status = 'superseded'))
     select s.id as "sourceId", s.product, s.name, s.version, c.email as recipient, e.key as "subjectKey", e.builds
       from ends e
       join sources s on s.id = e.source_id
       join uploads u on u.id = s.upload_id
       join accounts c on c.id = u.account_id
      where not exists (select 1 from source_ends d where d.key = e.key)
        and not exists (select 1 from mails m where m.kind = 'result' and m.subject_key = e.key)
      order by s.id`,
    [OPEN, ids],
  );
  return Promise.all(rows.map((row) => withLogs(garage, row)));
}

async function withLogs(garage: Garage, row: ThroughRow): Promise<EndedSource> {
  const builds = await Promise.all(
    row.builds.map(async ({ directory, ...build }) => ({
      ...build,
      reading: await buildReading(garage, build.id),
      logTail: directory === null ? [] : await tailOf(garage, directory),
    })),
  );
  return { ...row, builds };
}

function tailOf(garage: Garage, directory: string): Promise<string[]> {
  return logTail(path.join(joinInside(garage.home.root, directory), 'build.log'), TAIL_LINES);
}
