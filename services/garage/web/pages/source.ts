import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Queryable } from '../../../../shared/database/pool.ts';
import { productName, sourceName } from '../../../../shared/protocol/names.ts';
import type { PublishedRow } from '../../../../shared/protocol/tables.ts';
import { notFound, parse } from '../errors.ts';
import { badge, NONE, time } from '../format.ts';
import { sendPage } from '../layout.ts';
import { html, join, type Content } from '../markup.ts';
import { repositoryRows } from '../repository.ts';
import { facts, table, type Column } from '../table.ts';
import { buildRows, type BuildRow } from './builds/rows.ts';
import { orderRows, orderTable } from './orders.ts';

/** Newest versions shown; older ones stay reachable by their uploads. */
const VERSIONS = 30;
const BUILDS = 500;
const ORDERS = 20;

interface VersionRow {
  id: string;
  version: string;
  upload_id: string;
  login: string;
  accepted_at: Date;
}

/** All of one source package: versions, builds, queues, maintainers. */
export function sourcePage(app: FastifyInstance): void {
  app.get('/sources/:product/:name', async (request, reply) => {
    const form = z.object({ product: productName, name: sourceName });
    const { product, name } = parse(form, request.params, notFound('source'));
    const { pool } = app.web.garage;
    const [versions, published, maintainers, orders] = await Promise.all([
      versionRows(pool, product, name),
      publishedOf(pool, product, name),
      maintainersOf(pool, product, name),
      orderRows(pool, { product, source: name }, ORDERS),
    ]);
    if (versions.length === 0 && published.length === 0) throw notFound('such source');
    const builds =
      versions.length === 0
        ? []
        : await buildRows(pool, { sourceIds: versions.map((row) => row.id) }, BUILDS);
    return sendPage(request, reply, {
      title: `${name} in ${product}`,
      body: html`${facts([
          ['Product', product],
          ['Maintainers', maintainers.length > 0 ? maintainers.join(', ') : 'admins only'],
          ['Queues', queuesOf(product, published)],
        ])}
        <h2>Versions</h2>
        ${table('Versions, newest first', columns(builds, published), versions, 'No version was uploaded here.')}
        <h2>Orders</h2>
        ${orderTable(orders)}`,
    });
  });
}

async function versionRows(database: Queryable, product: string, name: string): Promise<VersionRow[]> {
  const { rows } = await database.query<VersionRow>(
    `select s.id, s.version, s.upload_id, a.login, s.accepted_at
       from sources s join uploads u on u.id = s.upload_id join accounts a on a.id = u.account_id
      where s.product = $1 and s.name = $2 order by s.accepted_at desc, s.id desc limit $3`,
    [product, name, VERSIONS],
  );
  return rows;
}

async function publishedOf(database: Queryable, product: string, name: string): Promise<PublishedRow[]> {
  const rows = await repositoryRows<PublishedRow>(
    database,
    `select * from repository.published where product = $1 and source = $2 order by since desc limit 100`,
    [product, name],
  );
  return rows ?? [];
}

async function maintainersOf(database: Queryable, product: string, name: string): Promise<string[]> {
  const { rows } = await database.query<{ login: string }>(
    `select login from promotion_rights where not admin and product = $1 and source = $2 order by login limit 100`,
    [product, name],
  );
  return rows.map((row) => row.login);
}

function queuesOf(product: string, published: PublishedRow[]): Content {
  if (published.length === 0) return 'none yet';
  return join(
    published.map(
      (row) => html`<a href="/queues/${row.queue}/${product}">${row.queue}</a> (${row.source_version})`,
    ),
    ', ',
  );
}

function columns(builds: BuildRow[], published: PublishedRow[]): Column<VersionRow>[] {
  return [
    { head: 'Version', cell: (row) => html`<code>${row.version}</code>` },
    {
      head: 'Builds',
      cell: (row) =>
        join(
          builds
            .filter((build) => build.source_id === row.id)
            .map(
              (build) =>
                html`<a class="nowrap" href="/builds/${build.id}">${build.architecture}</a>
                  ${badge(build.status)}`,
            ),
          ' ',
        ),
    },
    {
      head: 'In queues',
      cell: (row) =>
        published
          .filter((one) => one.source_version === row.version)
          .map((one) => one.queue)
          .join(', ') || NONE,
    },
    { head: 'Upload', cell: (row) => html`<a href="/uploads/${row.upload_id}">by ${row.login}</a>` },
    { head: 'Accepted', cell: (row) => time(row.accepted_at) },
  ];
}
