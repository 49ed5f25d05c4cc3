/**
 * What a queue's pool must hold: the files of what the queue and its kept generations hold (the view
 * `kept_packages`), the sources of the binaries among them, and the sources that `Built-Using` and
 * `Static-Built-Using` (Policy 7.8) of anything kept in any queue of the product name, in that version.
 * `.buildinfo` files stay for ever, and so do files that the database does not know.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import { parseDeb822 } from '../../../shared/debian/deb822.ts';
import { parseRelations } from '../../../shared/debian/relations.ts';

interface At {
  queue: string;
  product: string;
}

/** `member`: apt clients ask for it now; `kept`: an older generation or a licence needs it. */
export type Need = 'member' | 'kept';

/** Paths in the product's pool -> why; without `.buildinfo` files. */
export async function neededFiles(database: Queryable, at: At): Promise<Map<string, Need>> {
  const needed = new Map<string, Need>();
  for (const path of await sourceFiles(database, at)) needed.set(path, 'kept');
  const { rows } = await database.query<{ path: string; isMember: boolean }>(
    `select file as path, bool_or(m.package_id is not null) as "isMember"
       from kept_packages k
       join packages p on p.id = k.package_id
       left join members m on m.queue = k.queue and m.product = k.product and m.package_id = k.package_id
       cross join unnest(p.files) as file
      where k.queue = $1 and k.product = $2 group by file`,
    [at.queue, at.product],
  );
  for (const row of rows) needed.set(row.path, row.isMember ? 'member' : 'kept');
  return needed;
}

/** Of binaries that are kept without their source, and of what they were built with. */
async function sourceFiles(database: Queryable, at: At): Promise<string[]> {
  const own = await database.query<{ path: string }>(
    `select distinct file as path
       from kept_packages k
       join packages p on p.id = k.package_id and p.kind <> 'source'
       join packages s on s.product = p.product and s.kind = 'source'
                      and s.source = p.source and s.version = p.source_version
       cross join unnest(s.files) as file
      where k.queue = $1 and k.product = $2`,
    [at.queue, at.product],
  );
  const used = await builtUsing(database, at.product);
  const others = await database.query<{ path: string }>(
    `select distinct file as path
       from unnest($2::text[], $3::text[]) as used(source, version)
       join packages s on s.product = $1 and s.kind = 'source' and s.source = used.source and s.version = used.version
       cross join unnest(s.files) as file`,
    [at.product, used.map((each) => each.source), used.map((each) => each.version)],
  );
  return [...own.rows, ...others.rows].map((row) => row.path);
}

/** Exact versions of sources that kept binaries of any queue name. */
async function builtUsing(
  database: Queryable,
  product: string,
): Promise<{ source: string; version: string }[]> {
  const { rows } = await database.query<{ stanza: string }>(
    `select p.stanza from packages p
      where p.product = $1 and p.kind <> 'source' and p.stanza ~ '\n(Static-)?Built-Using:'
        and exists (select 1 from kept_packages k where k.product = p.product and k.package_id = p.id)`,
    [product],
  );
  return rows.flatMap((row) => builtUsingOf(row.stanza));
}

/** What a binary's stanza names; nothing for a field that cannot be read. */
export function builtUsingOf(stanza: string): { source: string; version: string }[] {
  const paragraph = parseDeb822(stanza)[0];
  return ['Built-Using', 'Static-Built-Using'].flatMap((field) => {
    const value = paragraph?.get(field);
    if (value === undefined) return [];
    return relationsOrNone(value).flatMap((group) =>
      group.flatMap(({ name, version }) =>
        version?.operator === '=' ? [{ source: name, version: version.version }] : [],
      ),
    );
  });
}

function relationsOrNone(value: string): ReturnType<typeof parseRelations> {
  try {
    return parseRelations(value);
  } catch {
    return [];
  }
}
