/**
 * Section and Priority by the archive's will: rows of `overrides`, put into stanzas when they are rendered. Each
 * change of a row has a revision; a queue has a mark up to which it shows them. What is above the mark is
 * rendered anew by the next generation, so a change of an override touches its own package's chunks alone.
 */
import { lockedTransaction, type QueueLock } from '../locks.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import { overrideStanza, type OverrideFields } from '../../../shared/debian/override.ts';
import type { IndexedChange, IndexedPackage } from './kinds/scope.ts';

interface At {
  queue: string;
  product: string;
}

interface OverrideRow extends OverrideFields {
  queue: string;
  kind: string;
  name: string;
}

/** What the queue does not show yet. */
export interface PendingOverrides {
  /** The newest revision among them; null when there are none. */
  upTo: string | null;
  /** Packages of the queue that are to be rendered anew. */
  changed: IndexedChange[];
}

export async function pendingOverrides(database: Queryable, at: At): Promise<PendingOverrides> {
  const { rows } = await database.query<{ kind: string; name: string; revision: string }>(
    `select kind, name, revision from overrides
      where product = $2 and queue in ($1, '') and revision >
        coalesce((select revision from override_marks where queue = $1 and product = $2), 0)
      order by revision`,
    [at.queue, at.product],
  );
  const last = rows.at(-1);
  if (!last) return { upTo: null, changed: [] };
  const { rows: changed } = await database.query<IndexedChange>(
    `select p.id, p.component, p.kind, p.name, p.architecture
       from members m join packages p on p.id = m.package_id
       join unnest($3::text[], $4::text[]) as wanted (kind, name) on p.kind = wanted.kind and p.name = wanted.name
      where m.queue = $1 and m.product = $2`,
    [at.queue, at.product, rows.map((row) => row.kind), rows.map((row) => row.name)],
  );
  return { upTo: last.revision, changed };
}

/** The queue shows every override up to `revision` from now on. */
export async function markOverrides(database: Queryable, at: At, revision: string): Promise<void> {
  await database.query(
    `insert into override_marks (queue, product, revision) values ($1, $2, $3)
     on conflict (queue, product) do update set revision = greatest(override_marks.revision, excluded.revision)`,
    [at.queue, at.product, revision],
  );
}

/** True when a generation is due; overrides of packages that the queue does not hold are shown already. */
export async function overridesDue(lock: QueueLock): Promise<boolean> {
  const { upTo, changed } = await pendingOverrides(lock.client, lock);
  if (upTo === null) return false;
  if (changed.length > 0) return true;
  await lockedTransaction(lock, (client) => markOverrides(client, lock, upTo));
  return false;
}

/** The packages as the queue shows them. */
export async function withOverrides(
  database: Queryable,
  at: At,
  packages: IndexedPackage[],
): Promise<IndexedPackage[]> {
  const { rows } = await database.query<OverrideRow>(
    `select queue, kind, name, section, priority from overrides
      where product = $2 and queue in ($1, '') and name = any($3::text[])
        and (section is not null or priority is not null) order by queue`,
    [at.queue, at.product, [...new Set(packages.map((each) => each.name))]],
  );
  if (rows.length === 0) return packages;
  const overrides = new Map<string, OverrideFields>();
  for (const { kind, name, section, priority } of rows) {
    const general = overrides.get(`${kind} ${name}`); // '' sorts first
    overrides.set(`${kind} ${name}`, {
      section: section ?? general?.section ?? null,
      priority: priority ?? general?.priority ?? null,
    });
  }
  return packages.map((each) => {
    const override = overrides.get(`${each.kind} ${each.name}`);
    return override
      ? { ...each, stanza: overrideStanza(each.stanza, each.kind === 'source', override) }
      : each;
  });
}
