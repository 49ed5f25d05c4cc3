/** Rows for pages to show. */
import { randomUUID } from 'node:crypto';
import { firstRow, type Queryable } from '../../shared/database/pool.ts';

export interface SourceRows {
  uploadId: string;
  sourceId: string;
  buildId: string;
}

async function id(database: Queryable, sql: string, values: unknown[]): Promise<string> {
  const { rows } = await database.query<{ id: string }>(sql, values);
  return firstRow(rows, 'no-row', sql).id;
}

/** An accepted upload with its source and one build on amd64. */
export async function addSource(
  database: Queryable,
  login: string,
  source: { name: string; version: string; status?: string },
): Promise<SourceRows> {
  const { name, version, status = 'needs-build' } = source;
  const uploadId = await id(
    database,
    `insert into uploads (product, account_id, trigger_file, files, status, source, version)
     select 'bookworm', id, $2, array[$2], 'accepted', $3, $4 from accounts where login = $1 returning id`,
    [login, `${name}_${version}_source.changes`, name, version],
  );
  const sourceId = await id(
    database,
    `insert into sources (upload_id, product, name, version, dsc, architectures, files, directory)
     values ($1, 'bookworm', $2, $3, $4, '{any}', $5, 'sources/x') returning id`,
    [
      uploadId,
      name,
      version,
      `${name}_${version}.dsc`,
      JSON.stringify([{ name: `${name}.dsc`, size: 1234, sha256: 'x' }]),
    ],
  );
  await database.query(
    `insert into maintainers select 'bookworm', $2, id from accounts where login = $1 on conflict do nothing`,
    [login, name],
  );
  const buildId = await id(
    database,
    `insert into builds (source_id, architecture, binaries, status) values ($1, 'amd64', 'both', $2) returning id`,
    [sourceId, status],
  );
  return { uploadId, sourceId, buildId };
}

/** An attempt on host `builder-1`; its directory is below AUTOBUILDER_HOME. */
export async function addAttempt(
  database: Queryable,
  buildId: string,
  attempt: { directory: string; stage?: string; finished?: boolean; result?: unknown; number?: number },
): Promise<string> {
  await database.query(
    `insert into hosts (name, address, port, username, host_key, workdir, slots, architectures, last_error)
     values ('builder-1', '192.0.2.1', 2201, 'builder', 'key', '/srv', 2, '{amd64}', 'disk <full>')
     on conflict do nothing`,
  );
  const { directory, stage = 'build', finished = false, result = null, number = 1 } = attempt;
  return id(
    database,
    `insert into attempts (build_id, number, host_id, slot, stage, directory, leased_until, finished_at, exit_class, result)
     select $1::bigint, $2, id, $1::bigint, $3, $4, now(), case when $5::bool then now() end, case when $5::bool then 'success' end, $6
       from hosts where name = 'builder-1' returning id`,
    [buildId, number, stage, directory, finished, result === null ? null : JSON.stringify(result)],
  );
}

/** Makes `source` a member of `queue`, in a generation of its own. */
export async function publish(
  database: Queryable,
  queue: string,
  source: { name: string; version: string },
): Promise<void> {
  const generation = await id(
    database,
    `insert into repository.generations (queue, product, number, status, cause, live_at, added, dated_at)
     select $1, 'bookworm', coalesce(max(number), 0) + 1, 'live', 'test', now(), 2,
            timestamptz '2026-01-31 23:59:58Z' + (coalesce(max(number), 0) + 1) * interval '1 second'
       from repository.generations where queue = $1 returning id`,
    [queue],
  );
  for (const [kind, architecture] of [
    ['source', 'source'],
    ['deb', 'amd64'],
  ]) {
    const packageId = await id(
      database,
      `insert into repository.packages
         (product, component, kind, name, version, architecture, source, source_version, stanza, files)
       values ('bookworm', 'main', $1, $2, $3, $4, $2, $3, '', '{}')
       on conflict (product, component, kind, name, version, architecture) do update set stanza = '' returning id`,
      [kind, source.name, source.version, architecture],
    );
    await database.query('insert into repository.members values ($1, $2, $3, $4)', [
      ...[queue, 'bookworm', packageId, generation],
    ]);
    await database.query('insert into repository.generation_changes values ($1, $2, $3)', [
      ...[generation, packageId, '+'],
    ]);
  }
}

export const missingId = randomUUID();
