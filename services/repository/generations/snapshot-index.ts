/** The list of a queue's snapshots, for programs and for people: plain files that any web server serves. */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { html } from 'ghtml';
import type { Queryable } from '../../../shared/database/pool.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { snapshotName } from '../../../shared/protocol/generation-history.ts';

interface Listed {
  timestamp: string;
  product: string;
  generation: number;
  /** Date of its Release, ISO 8601. */
  date: string;
  cause: string;
  added: number;
  removed: number;
}

/** Writes `index.json` and `index.html` where they say something else; true when one did. */
export async function writeSnapshotIndex(
  database: Queryable,
  folder: string,
  names: { archive: string; queue: string },
): Promise<boolean> {
  const snapshots = await readSnapshots(database, names.queue);
  await mkdir(folder, { recursive: true });
  const json = `${JSON.stringify({ version: 1, ...names, snapshots }, null, 1)}\n`;
  const wasJson = await writeChanged(path.join(folder, 'index.json'), json);
  return (await writeChanged(path.join(folder, 'index.html'), page(names, snapshots))) || wasJson;
}

/** The newest first. Who published is nobody's business out there. */
async function readSnapshots(database: Queryable, queue: string): Promise<Listed[]> {
  const { rows } = await database.query<Omit<Listed, 'timestamp' | 'date'> & { datedAt: Date }>(
    `select product, number as generation, cause, added, removed, dated_at as "datedAt" from generations
      where queue = $1 and status <> 'preparing' and dropped_at is null and dated_at is not null
      order by dated_at desc, product, number desc`,
    [queue],
  );
  return rows.map(({ datedAt, product, generation, cause, added, removed }) => ({
    ...{ timestamp: snapshotName(datedAt), product, generation, date: datedAt.toISOString() },
    ...{ cause, added, removed },
  }));
}

async function writeChanged(file: string, text: string): Promise<boolean> {
  if ((await readFile(file, 'utf8').catch(() => null)) === text) return false;
  await writeFileDurably(file, text);
  return true;
}

/** What a client writes to use one; the rest of an entry as for the queue itself. */
const SNIPPET = `Types: deb deb-src
URIs: <this page>/20260131T235959Z
Suites: <product>
Components: main
Check-Valid-Until: no
Signed-By: <the archive's key>`;

const STYLE = `body { font-family: sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5; }
td, th { text-align: left; padding: 0.2rem 1rem 0.2rem 0; }
pre { background: #f3f3f3; padding: 1rem; overflow-x: auto; }`;

function page({ archive, queue }: { archive: string; queue: string }, snapshots: readonly Listed[]): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${archive}: snapshots of ${queue}</title>
        <style>
          !${STYLE}
        </style>
      </head>
      <body>
        <h1>${archive}: snapshots of ${queue}</h1>
        <p>
          Each is the queue as it was when this product was published: put its name after the address of this
          page. The same list for programs is <a href="index.json">index.json</a>.
        </p>
        <pre>${SNIPPET}</pre>
        <p>
          An old Release may be past its Valid-Until, hence <code>Check-Valid-Until: no</code>; on the command
          line that is <code>-o Acquire::Check-Valid-Until=false</code>.
        </p>
        !${table(snapshots)}
      </body>
    </html> `;
}

function table(snapshots: readonly Listed[]): string {
  const heads = ['Snapshot', 'Product', 'Generation', 'Why', 'Packages'].map(
    (head) => html`<th>${head}</th>`,
  );
  const rows = snapshots.map(
    (each) =>
      html`<tr>
        <td><code>${each.timestamp}</code></td>
        <td>${each.product}</td>
        <td>${String(each.generation)}</td>
        <td>${each.cause}</td>
        <td>+${String(each.added)} -${String(each.removed)}</td>
      </tr>`,
  );
  return html`<table>
    <thead>
      <tr>
        !${heads.join('')}
      </tr>
    </thead>
    <tbody>
      !${rows.join('')}
    </tbody>
  </table>`;
}
