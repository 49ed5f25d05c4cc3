/**
 * The order within a batch: a build waits for the builds of its product that are still to come and that
 * provide what it needs, whichever was uploaded first. Read from the .dsc alone, so packages that others
 * provide by another name (Provides) are not seen; such a build ends in `dep-wait` and is tried again when
 * they are published.
 *
 * Waiting never makes a circle: of two that need each other the one that came first does not wait.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import { parseDsc, type Dsc } from '../../../shared/debian/dsc.ts';
import { allowsVersion, parseRelations, reduceRelations } from '../../../shared/debian/relations.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import type { Garage } from '../context.ts';
import { readControlBytes } from '../uploads/control-text.ts';

/** Two that relate sources at a time would not see each other's waits and could close a circle. */
const LOCK = [724_186, 2] as const;
/** A source's folder comes within moments of its row; without it nothing is known about the source. */
const WITHOUT_FOLDER_S = 600;
/** A round's worth. */
const MAX_AT_ONCE = 1_000;

type Context = Pick<Garage, 'common' | 'home' | 'log'>;

interface SourceRow {
  id: string;
  product: string;
  name: string;
  directory: string;
  dsc: string;
  ageS: number;
}

interface BuildRow {
  id: string;
  architecture: string;
  binaries: 'any' | 'all' | 'both';
}

/** Relates whatever is not yet; one that cannot be is logged and looked at again. */
export async function relateSources(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string }>(
    'select id from sources where related_at is null order by id limit $1',
    [MAX_AT_ONCE],
  );
  for (const { id } of rows) {
    const client = await garage.pool.connect();
    try {
      await client.query('begin');
      await relateSource(client, garage, id);
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      garage.log.error({ err: error, source: id }, 'a source was not related to the others');
    } finally {
      client.release();
    }
  }
}

/**
 * Notes what a source's builds need and provide and what they wait for, once, and lets go those that wait
 * for nothing. Part of the caller's transaction. Does nothing while the .dsc is not at its place.
 */
export async function relateSource(database: Queryable, garage: Context, sourceId: string): Promise<void> {
  const { rows } = await database.query<SourceRow>(
    `select id, product, name, directory, dsc, extract(epoch from now() - accepted_at)::float8 as "ageS"
       from sources where id = $1 and related_at is null for update`,
    [sourceId],
  );
  const [source] = rows;
  if (!source) return;
  const bytes = await readControlBytes(joinInside(garage.home.root, source.directory, source.dsc));
  if (bytes === null && source.ageS < WITHOUT_FOLDER_S) return;
  await database.query('select pg_advisory_xact_lock($1, $2)', [...LOCK]);
  const dsc = bytes === null ? null : readDsc(bytes, garage, source);
  if (dsc !== null) {
    await noteProvided(database, source, dsc);
    for (const build of await buildsOf(database, source))
      await noteNeeds(database, garage, source, build, dsc);
    await waitForOthers(database, source);
    await letOthersWait(database, source);
  }
  await database.query('update sources set related_at = now() where id = $1', [source.id]);
  await database.query(
    `update builds b set held = false
      where b.source_id = $1 and b.held and not exists (select 1 from build_waits w where w.build_id = b.id)`,
    [source.id],
  );
}

/** null for one that cannot be read: then nothing is known, and the build itself will say what is wrong. */
function readDsc(bytes: Buffer, garage: Context, source: SourceRow): Dsc | null {
  try {
    const text = bytes.toString('utf8');
    return parseDsc(text.startsWith('-----BEGIN PGP') ? readClearsigned(text).text : text);
  } catch (error) {
    const what = { source: source.name, dsc: source.dsc, reason: messageOf(error) };
    garage.log.info(what, 'a .dsc does not say what it needs; its builds wait for nothing');
    return null;
  }
}

async function buildsOf(database: Queryable, source: SourceRow): Promise<BuildRow[]> {
  const { rows } = await database.query<BuildRow>(
    `select id, architecture, binaries from builds where source_id = $1 and status <> 'not-for-us' order by id`,
    [source.id],
  );
  return rows;
}

async function noteProvided(database: Queryable, source: SourceRow, dsc: Dsc): Promise<void> {
  const isAll = new Map(
    dsc.packageList.map(({ name, architectures }) => [
      name,
      architectures.length === 0 ? null : architectures.includes('all'),
    ]),
  );
  const names = [...new Set([...dsc.binaries, ...isAll.keys()])];
  await database.query(
    `insert into source_binaries (source_id, name, is_all)
     select $1, * from unnest($2::text[], $3::boolean[]) on conflict do nothing`,
    [source.id, names, names.map((name) => isAll.get(name) ?? null)],
  );
}

async function noteNeeds(
  database: Queryable,
  garage: Context,
  source: SourceRow,
  build: BuildRow,
  dsc: Dsc,
): Promise<void> {
  const product = garage.common.products.find(({ name }) => name === source.product);
  const setting = { architecture: build.architecture, profiles: product?.buildProfiles ?? [] };
  const fields = [
    dsc.buildDepends,
    ...(build.binaries === 'all' ? [] : [dsc.buildDependsArch]),
    ...(build.binaries === 'any' ? [] : [dsc.buildDependsIndep]),
  ];
  const needs = readNeeds(fields, garage, source)
    .flatMap((field) => reduceRelations(field, setting))
    .flat();
  await database.query(
    `insert into build_needs (build_id, name, operator, version)
     select $1, * from unnest($2::text[], $3::text[], $4::text[]) on conflict do nothing`,
    [
      build.id,
      needs.map(({ name }) => name),
      needs.map(({ version }) => version?.operator ?? null),
      needs.map(({ version }) => version?.version ?? null),
    ],
  );
}

function readNeeds(
  fields: string[],
  garage: Context,
  source: SourceRow,
): ReturnType<typeof parseRelations>[] {
  try {
    return fields.map(parseRelations);
  } catch (error) {
    garage.log.info({ source: source.name, reason: messageOf(error) }, 'build-dependencies are not readable');
    return [];
  }
}

interface Candidate {
  build: string;
  provider: string;
  providedVersion: string;
  name: string;
  operator: '<<' | '<=' | '=' | '>=' | '>>' | null;
  version: string | null;
}

/**
 * Pairs of a build that waits and one that will provide what it needs: of the same architecture, or of the
 * one that makes the packages for all. What was installed a moment ago counts until it is live.
 */
const CANDIDATES = `
  select n.build_id as build, t.id as provider, p.version as "providedVersion", n.name, n.operator, n.version
    from build_needs n
    join builds b on b.id = n.build_id
    join sources s on s.id = b.source_id
    join source_binaries q on q.name = n.name
    join sources p on p.id = q.source_id and p.product = s.product and p.name <> s.name
    join builds t on t.source_id = p.id
     and (q.is_all is not true and t.architecture = b.architecture and t.binaries <> 'all'
          or q.is_all is not false and t.binaries <> 'any')
     and (t.status in ('needs-build', 'building', 'built', 'uploaded', 'given-back', 'dep-wait')
          or t.status = 'installed' and t.updated_at > now() - interval '10 minutes')`;

/** The source is new, so nobody waits for it yet and no circle can close. */
async function waitForOthers(database: Queryable, source: SourceRow): Promise<void> {
  const { rows } = await database.query<Candidate>(`${CANDIDATES} where b.source_id = $1`, [source.id]);
  await addWaits(database, rows.filter(isEnough));
}

/** Builds that came before and wait still. */
async function letOthersWait(database: Queryable, source: SourceRow): Promise<void> {
  const { rows } = await database.query<Candidate>(
    `${CANDIDATES} where p.id = $1 and b.status in ('needs-build', 'given-back')
       and not exists (
         with recursive reached (id) as (
           select t.id union select w.for_build_id from build_waits w join reached r on r.id = w.build_id)
         select 1 from reached r where r.id = b.id)`,
    [source.id],
  );
  const waits = rows.filter(isEnough);
  await addWaits(database, waits);
  await database.query('update builds set held = true where id = any($1) and not held', [
    waits.map(({ build }) => build),
  ]);
}

/** A source's version stands for its binaries', which are the same but for few. */
function isEnough({ operator, version, providedVersion }: Candidate): boolean {
  if (operator === null || version === null) return true;
  try {
    return allowsVersion({ version: { operator, version } }, providedVersion);
  } catch {
    return false; // a version that is none is for the build to complain of
  }
}

async function addWaits(database: Queryable, waits: Candidate[]): Promise<void> {
  await database.query(
    `insert into build_waits (build_id, for_build_id)
     select distinct * from unnest($1::bigint[], $2::bigint[]) on conflict do nothing`,
    [waits.map(({ build }) => build), waits.map(({ provider }) => provider)],
  );
}
