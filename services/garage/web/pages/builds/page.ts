import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Queryable } from '../../../../../shared/database/pool.ts';
import { STAGES } from '../../../../../shared/protocol/job.ts';
import { notFound, parse } from '../../errors.ts';
import { badge, duration, NONE, time } from '../../format.ts';
import { sendPage } from '../../layout.ts';
import { html, type Markup } from '../../markup.ts';
import { facts, table, type Column } from '../../table.ts';
import { wordOfBuild } from '../../words.ts';
import { attemptRows, logFile, resultOf, type AttemptRow } from './attempts.ts';
import { checksSection } from './checks.ts';
import { readingSections } from './reading.ts';
import { readTail } from './log-file.ts';
import { rowId } from './ids.ts';
import { whySection } from './why.ts';

interface BuildDetails {
  id: string;
  product: string;
  source: string;
  version: string;
  upload_id: string;
  architecture: string;
  binaries: string;
  status: string;
  given_back: number;
  fail_class: string | null;
  fail_reason: string | null;
  created_at: Date;
  updated_at: Date;
}

export function buildPage(app: FastifyInstance): void {
  app.get('/builds/:id', async (request, reply) => {
    const { id } = parse(z.object({ id: rowId }), request.params, notFound('build'));
    const { pool } = app.web.garage;
    const [build, attempts] = await Promise.all([buildDetails(pool, id), attemptRows(pool, id)]);
    if (!build) throw notFound('build');
    const [newest] = attempts;
    return sendPage(request, reply, {
      title: `Build of ${build.source} ${build.version} on ${build.architecture}`,
      script: newest !== undefined && newest.finished_at === null,
      body: html`${details(build)} ${await whySection(app.web.garage, id, request.account?.admin ?? false)}
        ${newest && stages(newest)} ${newest && (await readingSections(app.web.garage, id, newest.number))}
        ${newest && (await logSection(build, newest, logFile(app.web.garage, newest)))}
        ${await checksSection(pool, id)}
        <h2>Attempts</h2>
        ${table('Attempts, newest first', attemptColumns(id), attempts, 'It was not tried yet.')}`,
    });
  });
}

async function buildDetails(database: Queryable, id: string): Promise<BuildDetails | undefined> {
  const { rows } = await database.query<BuildDetails>(
    `select b.*, s.product, s.name as source, s.version, s.upload_id
       from builds b join sources s on s.id = b.source_id where b.id = $1`,
    [id],
  );
  return rows[0];
}

const BINARIES: Record<string, string> = {
  any: 'this architecture’s packages',
  all: 'architecture-independent packages',
  both: 'all packages',
};

function details(build: BuildDetails): Markup {
  return html`${
    build.fail_reason !== null &&
    html`<div class="notice bad">
      <p><strong>${build.fail_reason}</strong></p>
      ${build.fail_class && html`<p class="quiet">Class: <code>${build.fail_class}</code></p>`}
    </div>`
  }
  ${facts([
    ['Status', html`${badge(build.status)} <span class="quiet">${wordOfBuild(build.status)}</span>`],
    [
      'Source',
      html`<a href="/sources/${build.product}/${encodeURIComponent(build.source)}">${build.source}</a>
        ${build.version} (<a href="/uploads/${build.upload_id}">upload</a>)`,
    ],
    ['Product', build.product],
    ['Architecture', build.architecture],
    ['Builds', BINARIES[build.binaries] ?? build.binaries],
    ['Given back', build.given_back > 0 && `${String(build.given_back)} times`],
    ['Created', time(build.created_at)],
    ['Changed', time(build.updated_at)],
  ])}`;
}

/** The stages with their times once the runner has told them; the current one until then. */
function stages(attempt: AttemptRow): Markup {
  const seconds = resultOf(attempt)?.stageSeconds;
  const isOver = attempt.finished_at !== null;
  const at = STAGES.findIndex((stage) => stage === attempt.stage);
  return html`<h2>Stages</h2>
    <ol class="stages">
      ${STAGES.map((stage, index) => {
        const took = seconds?.[stage];
        const state = index < at || (isOver && attempt.exit_class === 'success') ? 'past' : 'ahead';
        return html`<li
          class="${index === at && !isOver ? 'now' : index === at && state === 'ahead' ? 'ended' : state}"
          data-stage="${stage}"
        >
          ${stage} ${took !== undefined && html`<span class="quiet">${duration(took)}</span>`}
        </li>`;
      })}
    </ol>`;
}

async function logSection(build: BuildDetails, attempt: AttemptRow, file: string): Promise<Markup> {
  const number = String(attempt.number);
  const isLive = attempt.finished_at === null;
  const tail = await readTail(file, !isLive);
  if (!isLive && tail.end === 0)
    return html`<h2>Log</h2>
      <p class="empty">This attempt left no log.</p>`;
  const stream = `/builds/${build.id}/log/stream?attempt=${number}&offset=${String(tail.end)}`;
  return html`<h2>Log</h2>
    <p class="log-state">
      <span role="status" id="log-state">${isLive ? 'Being written.' : 'Complete.'}</span>
      ${tail.start > 0 && 'Only the end is shown here.'}
      <a href="/builds/${build.id}/log?attempt=${number}">The whole log as text</a>
    </p>
    <pre
      class="log"
      id="log"
      tabindex="0"
      role="region"
      aria-label="Build log"
      ${isLive && html`data-stream="${stream}"`}
    >
${tail.text}</pre>`;
}

function attemptColumns(buildId: string): Column<AttemptRow>[] {
  return [
    { head: 'Attempt', cell: (row) => `#${String(row.number)}` },
    { head: 'Host', cell: (row) => `${row.host}, slot ${String(row.slot)}` },
    { head: 'Stage', cell: (row) => row.stage },
    {
      head: 'Result',
      cell: (row) => (row.exit_class === null ? NONE : badge(row.exit_class)),
    },
    { head: 'Message', cell: (row) => row.message },
    { head: 'Started', cell: (row) => time(row.started_at) },
    { head: 'Took', cell: timeTaken, numeric: true },
    {
      head: 'Log',
      cell: (row) => html`<a href="/builds/${buildId}/log?attempt=${row.number}">text</a>`,
    },
  ];
}

function timeTaken(row: AttemptRow): string {
  if (row.finished_at === null) return 'running';
  return duration((row.finished_at.getTime() - row.started_at.getTime()) / 1000);
}
