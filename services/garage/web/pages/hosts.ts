import type { FastifyInstance } from 'fastify';
import { badge, time } from '../format.ts';
import { sendPage } from '../layout.ts';
import { html } from '../markup.ts';
import { table, type Column } from '../table.ts';

interface HostRow {
  name: string;
  address: string;
  port: number;
  slots: number;
  busy: number;
  architectures: string[];
  status: string;
  last_seen_at: Date | null;
  last_error: string | null;
}

/** More builder hosts than one page can sensibly show. */
const LIMIT = 500;

/** The builder hosts. Addresses and errors are for admins: they tell where the machines are. */
export function hostsPage(app: FastifyInstance): void {
  app.get('/hosts', async (request, reply) => {
    const { rows } = await app.web.garage.pool.query<HostRow>(
      `select h.name, h.address, h.port, h.slots, h.architectures, h.status, h.last_seen_at, h.last_error,
              coalesce(b.busy, 0)::int as busy
         from hosts h
         left join (select host_id, count(*) as busy from attempts where finished_at is null group by host_id) b
           on b.host_id = h.id
        where h.status <> 'removed'
        order by h.name limit $1`,
      [LIMIT],
    );
    const columns = request.account?.admin ? [...COLUMNS, ...ADMIN_COLUMNS] : COLUMNS;
    return sendPage(request, reply, {
      title: 'Hosts',
      body: html`<p class="lead">The machines that build. A slot takes one build at a time.</p>
        ${table('Builder hosts', columns, rows, 'No host is known yet. A builder on this machine appears when it starts.')}`,
    });
  });
}

const COLUMNS: Column<HostRow>[] = [
  { head: 'Name', cell: (host) => host.name },
  { head: 'Architectures', cell: (host) => host.architectures.join(', ') },
  { head: 'Slots busy', cell: (host) => `${String(host.busy)} of ${String(host.slots)}`, numeric: true },
  { head: 'Status', cell: (host) => badge(host.status) },
  { head: 'Last seen', cell: (host) => time(host.last_seen_at) },
];
const ADMIN_COLUMNS: Column<HostRow>[] = [
  { head: 'Address', cell: (host) => html`<code>${host.address}:${host.port}</code>` },
  { head: 'Last error', cell: (host) => host.last_error },
];
