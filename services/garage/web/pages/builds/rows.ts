/** Builds as lists show them. */
import type { Queryable } from '../../../../../shared/database/pool.ts';
import { badge, time } from '../../format.ts';
import { html, type Markup } from '../../markup.ts';
import { table, type Column } from '../../table.ts';
import { wordOfBuild } from '../../words.ts';

export interface BuildRow {
  id: string;
  source_id: string;
  product: string;
  source: string;
  version: string;
  architecture: string;
  status: string;
  fail_reason: string | null;
  updated_at: Date;
}

export interface BuildFilter {
  sourceIds?: string[];
  /** Only builds older than this id. */
  before?: string | undefined;
  /** Only what is waiting or under way. */
  open?: boolean;
}

/** The newest builds first. */
export async function buildRows(
  database: Queryable,
  filter: BuildFilter,
  limit: number,
): Promise<BuildRow[]> {
  const { rows } = await database.query<BuildRow>(
    `select b.id, b.source_id, s.product, s.name as source, s.version, b.architecture, b.status,
            b.fail_reason, b.updated_at
       from builds b join sources s on s.id = b.source_id
      where ($1::bigint[] is null or b.source_id = any ($1))
        and ($2::bigint is null or b.id < $2)
        and (not $3 or b.status in ('needs-build', 'building', 'built', 'uploaded', 'given-back', 'dep-wait'))
      order by b.id desc limit $4`,
    [filter.sourceIds ?? null, filter.before ?? null, filter.open ?? false, limit],
  );
  return rows;
}

export function buildTable(rows: BuildRow[]): Markup {
  return table('Builds, newest first', COLUMNS, rows, 'There is no build here.');
}

const COLUMNS: Column<BuildRow>[] = [
  {
    head: 'Build',
    cell: (row) => html`<a href="/builds/${row.id}">${row.source} ${row.version}</a>`,
  },
  { head: 'Product', cell: (row) => row.product },
  { head: 'Architecture', cell: (row) => row.architecture },
  { head: 'Status', cell: (row) => badge(row.status) },
  {
    head: 'What it means',
    cell: (row) => row.fail_reason ?? html`<span class="quiet">${wordOfBuild(row.status)}</span>`,
  },
  { head: 'Changed', cell: (row) => time(row.updated_at) },
];
