import type { FastifyInstance, FastifyRequest } from 'fastify';
import { installHowto } from '../../howto/install.ts';
import { fetchLocations } from '../../howto/locations.ts';
import { uploadHowto } from '../../howto/upload.ts';
import type { Snippet } from '../../howto/snippet.ts';
import { notFound } from '../errors.ts';
import { sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';

/** Ready-made settings for upload clients and apt, filled in for whoever asks. */
export function howtoPages(app: FastifyInstance): void {
  app.get('/how-to', (_request, reply) => reply.redirect('/how-to/upload', 303));
  app.get('/how-to/upload', async (request, reply) => {
    const { garage, site } = app.web;
    const product = chosen(request, 'product', names(garage.common.products));
    const { host, port } = garage.config.upload;
    const login = request.account?.login;
    const snippets = uploadHowto({ site, host, port, product, ...(login === undefined ? {} : { login }) });
    return sendPage(request, reply, {
      title: 'How to upload',
      body: html`<p class="lead">
          Send the source package’s files to ${product}. You log in with your SSH key; the
          <code>.changes</code> starts the work as soon as everything it lists has arrived.
        </p>
        ${choices('/how-to/upload', 'Product', 'product', names(garage.common.products), { product })}
        ${login === undefined && html`<p><a href="/sign-in?next=/how-to/upload">Sign in</a> to see your login filled in.</p>`}
        ${snippets.map(showSnippet)}
        <p>Or <a href="/upload">send them by the form</a>.</p>`,
    });
  });
  app.get('/how-to/install', async (request, reply) => {
    const { garage, site } = app.web;
    const product = chosen(request, 'product', names(garage.common.products));
    const queue = chosen(request, 'queue', names(garage.common.queues), 'last');
    const components = garage.common.products.find(({ name }) => name === product)?.components ?? ['main'];
    const notAutomatic = garage.common.queues.find(({ name }) => name === queue)?.notAutomatic ?? false;
    const locations = await fetchLocations(garage.pool, queue, garage.config.repositoryUrl);
    const snippets = installHowto({ site, locations, queue, product, components, notAutomatic });
    const now = { product, queue };
    return sendPage(request, reply, {
      title: 'How to install',
      body: html`<p class="lead">Add ${queue} of ${product} to apt.</p>
        ${choices('/how-to/install', 'Product', 'product', names(garage.common.products), now)}
        ${choices('/how-to/install', 'Queue', 'queue', names(garage.common.queues), now)}
        ${snippets.map(showSnippet)}`,
    });
  });
}

function names(things: readonly { name: string }[]): string[] {
  return things.map(({ name }) => name);
}

/** What the address asks for; the first one, or the last, when it says nothing. */
function chosen(request: FastifyRequest, key: string, from: string[], otherwise?: 'last'): string {
  const asked = (request.query as Record<string, unknown>)[key];
  const fallback = otherwise === 'last' ? from.at(-1) : from[0];
  const found = asked === undefined ? fallback : from.find((name) => name === asked);
  if (found === undefined) throw notFound(`such ${key}`);
  return found;
}

/** Links to the same page for another choice; nothing when there is no choice. */
function choices(
  path: string,
  label: string,
  key: string,
  from: string[],
  now: Record<string, string>,
): Markup | null {
  if (from.length < 2) return null;
  return html`<p class="filters">
    <span class="quiet">${label}:</span>
    ${from.map((name) => {
      const search = new URLSearchParams({ ...now, [key]: name }).toString();
      return html`<a href="${path}?${search}" ${now[key] === name && html`aria-current="true"`}>${name}</a>`;
    })}
  </p>`;
}

function showSnippet(snippet: Snippet): Markup {
  return html`<section>
    <h2 id="${snippet.id}">${snippet.title}</h2>
    <p>${snippet.note}</p>
    ${snippet.file !== undefined && html`<p class="quiet">File: <code>${snippet.file}</code></p>`}
    <pre class="snippet" tabindex="0" role="region" aria-labelledby="${snippet.id}">${snippet.text}</pre>
    ${snippet.command !== undefined && html`<p>Then: <code>${snippet.command}</code></p>`}
  </section>`;
}
