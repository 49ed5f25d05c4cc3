/**
 * Why a build is where it is, in words for people, and when it may be through: one function for the command
 * line, the API and the page.
 */
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';
import type { BuildStatus } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { typicalDuration, type Duration } from './estimates.ts';
import { queueEstimate } from './queue-estimate.ts';
import { canBuild, parseLane } from './lanes.ts';
import { mirrorTrouble } from './mirror-sources.ts';
import { missingNames } from './return-builds.ts';
import { activeHosts } from './rows.ts';

export type WhyCode =
  /** It runs; or there is a free slot and it starts at the next look. */
  | 'running'
  | 'starting'
  /** Others are before it. */
  | 'queue'
  /** Its files are being brought to their place, its .dsc is read next. */
  | 'accepted'
  /** Builds of its batch come first. */
  | 'batch'
  /** A build-dependency is nowhere to be had. */
  | 'dep-wait'
  /** A machine's fault; it is tried again after a time. */
  | 'backoff'
  | 'no-host'
  | 'no-feature'
  | 'hosts-away'
  | 'product-gone'
  /** What its product is built from cannot be had: a mirror that is not there, or holds nothing yet. */
  | 'no-sources'
  /** The repository has it, or is given it. */
  | 'publishing'
  /** It waits for nothing. */
  | 'over';

export interface Why {
  buildId: string;
  status: BuildStatus;
  code: WhyCode;
  /** One sentence. */
  says: string;
  /** Further sentences: builds, hosts or packages by name. */
  details: string[];
  /** Builds that are before it; null where that is not the question. */
  ahead: number | null;
  /** When it may start and be through; null where nobody can tell. */
  estimate: { startsAt: Date; endsAt: Date; basis: Duration['basis'] } | null;
}

export interface WaitingBuild {
  id: string;
  status: BuildStatus;
  product: string;
  source: string;
  version: string;
  architecture: string;
  lane: string;
  priority: number;
  turn: string;
  held: boolean;
  relatedAt: Date | null;
  notBefore: Date;
  failReason: string | null;
  startedAt: Date | null;
  host: string | null;
  stage: string | null;
}

type Finding = Pick<Why, 'code' | 'says'> & Partial<Why>;

/** How many names of a list are shown. */
const SHOWN = 10;

/** `admin`: with what hosts complain of, which tells where they are. Throws `build-unknown`. */
export async function whyWaiting(
  garage: Garage,
  buildId: string,
  options: { admin?: boolean } = {},
): Promise<Why> {
  const build = await readBuild(garage.pool, buildId);
  const finding = await findOut(garage, build, options.admin ?? false);
  return { details: [], ahead: null, estimate: null, ...finding, buildId, status: build.status };
}

async function readBuild(database: Queryable, id: string): Promise<WaitingBuild> {
  const { rows } = await database.query<WaitingBuild>(
    `select b.id, b.status, b.product, s.name as source, s.version, b.architecture, b.lane, b.priority, b.turn,
            b.held, s.related_at as "relatedAt", b.not_before as "notBefore", b.fail_reason as "failReason",
            a.started_at as "startedAt", a.host, a.stage
       from builds b join sources s on s.id = b.source_id
       left join lateral (
         select t.started_at, h.name as host, t.stage from attempts t join hosts h on h.id = t.host_id
          where t.build_id = b.id and t.finished_at is null) a on true
      where b.id = $1`,
    [id],
  );
  return firstRow(rows, 'build-unknown', `There is no build ${id}`);
}

async function findOut(garage: Garage, build: WaitingBuild, admin: boolean): Promise<Finding> {
  switch (build.status) {
    case 'needs-build':
      return whyNotStarted(garage, build, admin);
    case 'building':
      return whyRunning(garage, build);
    case 'built':
    case 'uploaded':
      return { code: 'publishing', says: 'It is built, and is on its way into the repository.' };
    case 'dep-wait':
      return whyDepWait(garage.pool, build);
    case 'given-back':
      return whyGivenBack(build);
    case 'installed':
    case 'attempted':
    case 'not-for-us':
    case 'cancelled':
    case 'superseded':
      return { code: 'over', says: `It is ${build.status} and waits for nothing.` };
    default:
      return build.status satisfies never;
  }
}

async function whyRunning(garage: Garage, build: WaitingBuild): Promise<Finding> {
  const { seconds, basis } = await typicalDuration(garage.pool, build);
  const startsAt = build.startedAt ?? new Date();
  const endsAt = new Date(Math.max(startsAt.getTime() + seconds * 1000, Date.now()));
  const where = build.host === null ? '' : ` on ${build.host}, stage ${build.stage ?? 'init'}`;
  return { code: 'running', says: `It is being built${where}.`, estimate: { startsAt, endsAt, basis } };
}

function whyGivenBack({ notBefore, failReason }: WaitingBuild): Finding {
  const details = failReason === null ? [] : [failReason];
  const says = `A machine failed; it is tried again after ${notBefore.toISOString().slice(11, 19)} UTC, elsewhere if it can be.`;
  return { code: 'backoff', says, details };
}

/** Names what is missing, and whether somebody is about to build it. */
async function whyDepWait(database: Queryable, build: WaitingBuild): Promise<Finding> {
  const names = missingNames(build.failReason);
  const { rows } = await database.query<{ says: string }>(
    `select distinct format('%s is built by %s %s, which is %s.', q.name, s.name, s.version, t.status) as says
       from source_binaries q
       join sources s on s.id = q.source_id and s.product = $1
       join builds t on t.source_id = s.id and t.architecture = $2
      where q.name = any($3) and t.status not in ('installed', 'superseded', 'cancelled', 'not-for-us')
      order by says limit $4`,
    [build.product, build.architecture, names, SHOWN],
  );
  const says =
    names.length === 0
      ? `${build.failReason ?? 'A build-dependency is missing'}. It is tried again when something new is published.`
      : `It waits for ${build.failReason?.replace('Waits for ', '') ?? ''}, and is tried again by itself when that is published.`;
  return { code: 'dep-wait', says, details: rows.map((row) => row.says) };
}

async function whyNotStarted(garage: Garage, build: WaitingBuild, admin: boolean): Promise<Finding> {
  if (build.relatedAt === null) {
    return { code: 'accepted', says: 'It was accepted a moment ago and is about to be put in the queue.' };
  }
  if (build.held) return whyHeld(garage.pool, build);
  const product = garage.common.products.find(({ name }) => name === build.product);
  if (!product) {
    return { code: 'product-gone', says: `Product '${build.product}' is not configured any more.` };
  }
  const trouble = await mirrorTrouble(garage, product);
  if (trouble !== null) {
    // What an update said names the archive's address.
    const details = admin
      ? [`${trouble.message}.`, ...(trouble.hint === undefined ? [] : [`${trouble.hint}.`])]
      : [];
    const says = `Product '${build.product}' is built from a mirror that cannot be had yet.`;
    return { code: 'no-sources', says, details };
  }
  const noHost = await whyNoHost(garage.pool, build, admin);
  if (noHost) return noHost;
  const { ahead, startsAt } = await queueEstimate(garage.pool, build);
  const { seconds, basis } = await typicalDuration(garage.pool, build);
  const estimate = { startsAt, endsAt: new Date(startsAt.getTime() + seconds * 1000), basis };
  if (startsAt.getTime() <= Date.now()) {
    return { code: 'starting', says: 'A slot is free; it starts in a moment.', ahead, estimate };
  }
  const count = ahead === 1 ? '1 build is' : `${String(ahead)} builds are`;
  const says = ahead === 0 ? 'It is next, and waits for a free slot.' : `${count} before it.`;
  return { code: 'queue', says, ahead, estimate };
}

async function whyHeld(database: Queryable, build: WaitingBuild): Promise<Finding> {
  const { rows } = await database.query<{ what: string; says: string }>(
    `select format('%s %s', s.name, s.version) as what,
            format('%s %s on %s is %s.', s.name, s.version, t.architecture,
                   case t.status when 'installed' then 'installed, and live in a moment' else t.status end) as says
       from build_waits w join builds t on t.id = w.for_build_id join sources s on s.id = t.source_id
      where w.build_id = $1 order by s.name limit $2`,
    [build.id, SHOWN],
  );
  const names = [...new Set(rows.map(({ what }) => what))].join(', ');
  const says = `It needs what comes before it in its batch: ${names || 'nothing any more; it goes on in a moment'}.`;
  return { code: 'batch', says, details: rows.map((row) => row.says) };
}

interface OtherHost {
  name: string;
  status: string;
  reason: string | null;
  architectures: string[];
  features: string[];
}

/** Whether any host could build it at all, and what is in the way. */
async function whyNoHost(database: Queryable, build: WaitingBuild, admin: boolean): Promise<Finding | null> {
  const lane = parseLane(build.lane);
  const active = (await activeHosts(database)).filter((host) => canBuild(host, lane));
  const { rows } = await database.query<OtherHost>(
    `select name, status, coalesce(status_reason, last_error) as reason, architectures, features
       from hosts where status <> 'removed' order by name`,
  );
  const fitting = rows.filter((host) => canBuild(host, lane));
  const away = await awayAmong(
    database,
    active.map(({ id }) => id),
  );
  if (active.length > away.length) return null;
  const details = fitting.slice(0, SHOWN).map(({ name, status, reason }) => {
    return `${name} is ${status}${admin && reason !== null ? `: ${reason}` : ''}.`;
  });
  if (fitting.length > 0) {
    return {
      code: 'hosts-away',
      says: 'Every host that could build it is away or takes no builds.',
      details,
    };
  }
  const sameKind = rows.filter(({ architectures }) => architectures.includes(lane.architecture));
  if (sameKind.length === 0) {
    return { code: 'no-host', says: `There is no host for ${lane.architecture}.` };
  }
  const features = lane.requires.join(', ');
  return { code: 'no-feature', says: `No host for ${lane.architecture} has the features ${features}.` };
}

/** Active, but the last contact failed. */
async function awayAmong(database: Queryable, ids: string[]): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    'select id from hosts where id = any($1) and last_error is not null',
    [ids],
  );
  return rows.map(({ id }) => id);
}
