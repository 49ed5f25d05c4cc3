import type { FastifyInstance } from 'fastify';
import { listHosts, type HostItem } from '../../hosts/list.ts';
import type { HostCheck } from '../../hosts/report.ts';
import { badge, NONE, time } from '../format.ts';
import { sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';
import { table, type Column } from '../table.ts';

/** More builder hosts than one page can sensibly show. */
const LIMIT = 500;

/** The builder hosts. Addresses, errors and tests are for admins: they tell where the machines are. */
export function hostsPage(app: FastifyInstance): void {
  app.get('/hosts', async (request, reply) => {
    const hosts = (await listHosts(app.web.garage.pool)).slice(0, LIMIT);
    const isAdmin = request.account?.admin ?? false;
    const columns = isAdmin ? [...COLUMNS, ...ADMIN_COLUMNS] : COLUMNS;
    return sendPage(request, reply, {
      title: 'Hosts',
      body: html`<p class="lead">The machines that build. A slot takes one build at a time.</p>
        ${table('Builder hosts', columns, hosts, 'No host is known yet. A builder on this machine appears when it starts.')}
        ${isAdmin && hosts.map(testOf)}`,
    });
  });
}

const COLUMNS: Column<HostItem>[] = [
  { head: 'Name', cell: (host) => host.name },
  { head: 'Architectures', cell: (host) => host.architectures.join(', ') },
  { head: 'Features', cell: (host) => (host.features.length > 0 ? host.features.join(', ') : NONE) },
  { head: 'Slots busy', cell: (host) => `${String(host.busy)} of ${String(host.slots)}`, numeric: true },
  { head: 'Status', cell: (host) => badge(host.status) },
  { head: 'Built in 7 days', cell: (host) => String(host.built), numeric: true },
  { head: 'Last seen', cell: (host) => time(host.lastSeenAt) },
];
const ADMIN_COLUMNS: Column<HostItem>[] = [
  { head: 'Address', cell: (host) => html`<code>${host.address}:${host.port}</code>` },
  { head: 'Failed by its fault', cell: (host) => String(host.failedByMachine), numeric: true },
  { head: 'Reason', cell: (host) => host.statusReason ?? NONE },
  { head: 'Last error', cell: (host) => host.lastError },
];

/** What its last test found, for those that did not pass or wait for the next. */
function testOf(host: HostItem): Markup | false {
  if (host.test === null || (host.test.passed && host.status === 'active')) return false;
  return html`<h2>Test of ${host.name}</h2>
    <p>
      ${time(host.testedAt)}
      ${host.nextTestAt !== null && html`<span class="quiet">· the next at ${time(host.nextTestAt)}</span>`}
    </p>
    ${table(`Test of ${host.name}`, CHECK_COLUMNS, host.test.checks, 'Nothing was tested.')}`;
}

const CHECK_COLUMNS: Column<HostCheck>[] = [
  { head: 'Check', cell: (check) => check.name },
  { head: 'Result', cell: (check) => badge(check.state) },
  { head: 'What was found', cell: (check) => check.says },
  { head: 'What to do there', cell: (check) => check.fix && html`<pre>${check.fix}</pre>` },
];
