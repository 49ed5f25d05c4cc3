/** Rows of `sets`: `incoming -> installed | quarantined`; garage reads what became of each. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';
import type { SetStatus } from '../../../shared/protocol/tables.ts';
import type { SetManifest } from '../../../shared/protocol/set.ts';
import type { SetPlace } from './folder.ts';

export interface SetRecord {
  id: string;
  queue: string;
  product: string;
  status: SetStatus;
  reason_code: string | null;
  reason: string | null;
  created_at: Date;
}

/** The folder's name where it is an id; else one made of its place, the same at each try. */
export function rowId(place: SetPlace): string {
  return z.uuid().safeParse(place.id).success ? place.id.toLowerCase() : derivedId(place);
}

/** An id for a set that has no right to its own: a UUID of version 8 (RFC 9562) made of its place. */
export function derivedId(place: SetPlace): string {
  const hex = createHash('sha256').update(`${place.queue}/${place.product}/${place.id}`).digest('hex');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/**
 * Records the set before anything is done with it, or finds its row. `manifest` null: it cannot be read. Not durable by
 * itself, which a set of many would wait for each: what is done with a set is committed after it, and so is this.
 */
export async function recordSet(
  database: Queryable,
  place: SetPlace,
  id: string,
  manifest: SetManifest | null,
): Promise<SetRecord> {
  await database.query(
    `with quick as (select set_config('synchronous_commit', 'off', true))
     insert into sets (id, queue, product, source, source_version, architecture, status, manifest)
     select $1::uuid, $2, $3, $4, $5, $6, 'incoming', $7::jsonb from quick on conflict (id) do nothing`,
    [
      ...[id, place.queue, place.product],
      ...[manifest?.source ?? '', manifest?.sourceVersion ?? '', manifest?.architecture ?? ''],
      JSON.stringify(manifest ?? {}),
    ],
  );
  const { rows } = await database.query<SetRecord>(
    'select id, queue, product, status, reason_code, reason, created_at from sets where id = $1',
    [id],
  );
  return firstRow(rows, 'set-not-recorded', `Set ${id} could not be recorded`);
}

/** Compare-and-set from `incoming`; false when the set was decided already. */
export async function decideSet(
  database: Queryable,
  id: string,
  decision:
    { status: 'installed'; generationId: string } | { status: 'quarantined'; code: string; reason: string },
): Promise<boolean> {
  const installed = decision.status === 'installed' ? decision : null;
  const quarantined = decision.status === 'quarantined' ? decision : null;
  const { rowCount } = await database.query(
    `update sets set status = $2, generation_id = $3, reason_code = $4, reason = $5, finished_at = now()
      where id = $1 and status = 'incoming'`,
    [
      ...[id, decision.status, installed?.generationId ?? null],
      ...[quarantined?.code ?? null, quarantined?.reason ?? null],
    ],
  );
  return rowCount === 1;
}
