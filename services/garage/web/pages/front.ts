import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';
import { buildRows, buildTable } from './builds/rows.ts';
import { queueStates, queueTable } from './queue-list.ts';
import { uploadRows, uploadTable } from './uploads.ts';

/** Rows of each list on the front page: enough to see whether things move. */
const ROWS = 6;

export function frontPage(app: FastifyInstance): void {
  app.get('/', async (request, reply) => {
    const { garage, site } = app.web;
    const [queues, uploads, builds] = await Promise.all([
      queueStates(garage),
      uploadRows(request, null, null, ROWS),
      buildRows(garage.pool, {}, ROWS),
    ]);
    return sendPage(request, reply, {
      title: site,
      body: html`<p class="lead">
          Upload a source package; it is built on clean machines, and everybody can
          <code>apt install</code> it a moment later. Maintainers promote it from queue to queue.
        </p>
        ${nextSteps(request)}
        <h2>Queues</h2>
        ${queueTable(queues)}
        <h2>Last uploads</h2>
        ${uploadTable(uploads)}
        <h2>Last builds</h2>
        ${buildTable(builds)}`,
    });
  });
}

function nextSteps(request: FastifyRequest): Markup {
  const steps = request.account
    ? [
        ['/upload', 'Upload a package', 'by this form'],
        ['/how-to/upload', 'Set up dput, scp or sftp', 'filled in for you'],
        [`/uploads?by=${request.account.login}`, 'Your uploads', 'and what became of them'],
      ]
    : [
        ['/how-to/install', 'Install packages', 'add a queue to apt'],
        ['/how-to/upload', 'Upload packages', 'by dput, scp, sftp'],
        ['/sign-in', 'Sign in', 'to upload and promote here'],
      ];
  return html`<ul class="steps">
    ${steps.map(
      ([href, what, how]) =>
        html`<li>
          <a href="${href}"><strong>${what}</strong> <span class="quiet">${how}</span></a>
        </li>`,
    )}
  </ul>`;
}
