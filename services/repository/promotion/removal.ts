/** Taking a source out of a queue, and what would become uninstallable by it. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { RemovalRow } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { requireProduct } from '../indexes/release.ts';
import { Losses, type Loss } from '../installability/losses.ts';
import { itemsFor, type RelatedPackage } from '../installability/items.ts';
import { membersOfSource, type KnownPackage } from '../pool/records.ts';

/** Packages that a refusal names. */
const NAMED_LOSSES = 5;

export interface Removal {
  queue: string;
  product: string;
  source: string;
  /** null: every version. */
  version: string | null;
}

export interface RemovalPlan {
  /** The source with its binaries. */
  remove: KnownPackage[];
  /** What the queue holds of the source then. */
  after: KnownPackage[];
  /** What stays and could not be installed or built any more. */
  losses: RemovalLoss[];
}

export interface RemovalLoss extends Pick<Loss, 'architecture' | 'missing'> {
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  version: string;
}

/**
 * Works out the removal from what the queue holds, with `changes` that are not published yet. Throws
 * `source-not-there` or `version-not-there`.
 */
export async function planRemoval(
  repository: Repository,
  database: Queryable,
  wanted: Removal,
  changes: { add: readonly string[]; remove: readonly string[]; held?: readonly KnownPackage[] } = {
    ...{ add: [], remove: [] },
  },
): Promise<RemovalPlan> {
  const held = changes.held ?? (await membersOfSource(database, wanted, wanted.source));
  const remove = held.filter((each) => wanted.version === null || each.sourceVersion === wanted.version);
  if (remove.length === 0) throw notThere(wanted, held);
  const leaving = new Set(remove.map((each) => each.id));
  const { architectures } = requireProduct(repository.common, wanted.product);
  const after = held.filter((each) => !leaving.has(each.id));
  const names = namesToMiss(remove, architectures);
  if (!(await isMentioned(database, wanted, changes, { names, leaving })))
    return { remove, after, losses: [] };
  const packages = await heldPackages(database, wanted, changes);
  const byId = new Map(packages.map((each) => [each.id, each]));
  const losses = new Losses(packages, architectures).without(leaving).flatMap((loss) => {
    const lost = byId.get(loss.id);
    if (!lost) return [];
    const { kind, name, version } = lost;
    return [{ kind, name, version, architecture: loss.architecture, missing: loss.missing }];
  });
  return { remove, after, losses };
}

/** Throws `would-break` when something is lost, unless the order says that it shall go all the same. */
export function checkLosses(order: RemovalRow, { losses }: RemovalPlan): void {
  if (order.force || losses.length === 0) return;
  const more = losses.length > NAMED_LOSSES ? ` and ${String(losses.length - NAMED_LOSSES)} more` : '';
  throw new AppError(
    'would-break',
    `Without ${order.source} these could not be installed or built any more: ${losses.slice(0, NAMED_LOSSES).map(lossText).join(', ')}${more}. Remove them first, or order it with force.`,
  );
}

/** `app 1.0 on amd64 (needs lib (= 1))` */
export function lossText({ kind, name, version, architecture, missing }: RemovalLoss): string {
  const what = kind === 'source' ? `the build of ${name}` : name;
  return `${what} ${version} on ${architecture}${missing === null ? '' : ` (needs ${missing})`}`;
}

function notThere({ queue, product, source, version }: Removal, held: readonly KnownPackage[]): AppError {
  if (held.length === 0) {
    return new AppError('source-not-there', `${queue} holds nothing of ${source} for ${product}.`);
  }
  const versions = [...new Set(held.map((each) => each.sourceVersion))].join(', ');
  return new AppError(
    'version-not-there',
    `${queue} holds ${source} ${versions} for ${product}, not ${version ?? ''}.`,
  );
}

/** What others may depend on: binary names, and what these provide. */
function namesToMiss(remove: readonly KnownPackage[], architectures: readonly string[]): string[] {
  const binaries = remove.filter((each) => each.kind !== 'source');
  const items = architectures.flatMap((architecture) =>
    Object.values(itemsFor(architecture, binaries)).flat(),
  );
  const provided = items.flatMap((item) => item.provides.map((each) => each.name));
  return [...new Set([...binaries.map((each) => each.name), ...provided])];
}

const IS_HELD = `(p.id = any($3::bigint[])
    or exists (select 1 from members m where m.queue = $1 and m.product = $2 and m.package_id = p.id))
  and not p.id = any($4::bigint[])`;

/**
 * False when nothing that stays has any of the names in its stanza, so that nothing can be lost: true of most
 * packages, and told without reading what tens of thousands depend on.
 */
async function isMentioned(
  database: Queryable,
  at: { queue: string; product: string },
  changes: { add: readonly string[]; remove: readonly string[] },
  { names, leaving }: { names: readonly string[]; leaving: ReadonlySet<string> },
): Promise<boolean> {
  const { rowCount } = await database.query(
    `select 1 from packages p
      where ${IS_HELD} and exists (select 1 from unnest($5::text[]) as name where strpos(p.stanza, name) > 0)
      limit 1`,
    [at.queue, at.product, changes.add, [...changes.remove, ...leaving], names],
  );
  return rowCount !== 0;
}

async function heldPackages(
  database: Queryable,
  at: { queue: string; product: string },
  changes: { add: readonly string[]; remove: readonly string[] },
): Promise<RelatedPackage[]> {
  const { rows } = await database.query<RelatedPackage>(
    `select p.id, p.kind, p.name, p.version, p.architecture, p.stanza from packages p
      where ${IS_HELD} order by p.id`,
    [at.queue, at.product, changes.add, changes.remove],
  );
  return rows;
}
