/** What every page has around it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { signingWarnings } from '../keys/warnings.ts';
import { heldIdentities, heldWarning } from './held-identities.ts';
import { html, type Content, type Markup } from './markup.ts';

export interface Page {
  /** Heading and window title. */
  title: string;
  body: Markup;
  /** Heading when it is more than plain text. */
  heading?: Content;
  /** Loads the script that follows a log. */
  script?: boolean;
}

const NAVIGATION = [
  ['/uploads', 'Uploads'],
  ['/builds', 'Builds'],
  ['/queues', 'Queues'],
  ['/hosts', 'Hosts'],
  ['/how-to/install', 'How to install'],
  ['/how-to/upload', 'How to upload'],
] as const;

const ADMIN_NAVIGATION = [['/mails', 'Mails']] as const;

/** Sends a page; its status is what `reply` already says. */
export async function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): Promise<unknown> {
  const warnings = await warningsFor(request);
  const csrf = request.account ? reply.generateCsrf() : '';
  reply.header('cache-control', request.account ? 'private, no-store' : 'no-cache');
  reply.header('vary', 'Cookie');
  return reply.type('text/html; charset=utf-8').send(frame(request, page, csrf, warnings).toString());
}

/** The hidden field that every form that posts carries. */
export function csrfField(reply: FastifyReply): Markup {
  return html`<input type="hidden" name="_csrf" value="${reply.generateCsrf()}" />`;
}

/** Admins read on every page what will stop the repository, or waits for them; a failure to find out stops no page. */
async function warningsFor(request: FastifyRequest): Promise<string[]> {
  if (!request.account?.admin) return [];
  const { garage } = request.server.web;
  try {
    const signing = await signingWarnings(garage.pool, new Date());
    const held = await heldIdentities(garage);
    return [...signing.map(({ text }) => text), ...held.map(heldWarning)];
  } catch (error) {
    request.log.warn({ err: error }, "the repository's warnings cannot be read");
    return [];
  }
}

function banner(warnings: readonly string[]): Markup | null {
  if (warnings.length === 0) return null;
  return html`<div class="notice bad" role="alert">${warnings.map((text) => html`<p>${text}</p>`)}</div>`;
}

function frame(request: FastifyRequest, page: Page, csrf: string, warnings: readonly string[]): Markup {
  const { site, assets } = request.server.web;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${page.title === site ? site : `${page.title} · ${site}`}</title>
        <link rel="icon" type="image/svg+xml" href="${assets.url('icon.svg')}" />
        <link rel="stylesheet" href="${assets.url('style.css')}" />
        ${page.script && html`<script type="module" src="${assets.url('live-log.js')}"></script>`}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="site">
          <a class="brand" href="/">${site}</a>
          ${navigation(request)} ${who(request, csrf)}
        </header>
        <main id="main">
          ${banner(warnings)}
          <h1>${page.heading ?? page.title}</h1>
          ${page.body}
        </main>
      </body>
    </html> `;
}

function navigation(request: FastifyRequest): Markup {
  const path = request.url.split('?')[0] ?? '';
  const entries = request.account?.admin ? [...NAVIGATION, ...ADMIN_NAVIGATION] : NAVIGATION;
  return html`<nav aria-label="Main">
    ${entries.map(([href, label]) => {
      const here = path === href || path.startsWith(`${href}/`);
      return here
        ? html`<a href="${href}" aria-current="page">${label}</a>`
        : html`<a href="${href}">${label}</a>`;
    })}
  </nav>`;
}

function who(request: FastifyRequest, csrf: string): Markup {
  if (!request.account) return html`<div class="who"><a href="/sign-in">Sign in</a></div>`;
  return html`<div class="who">
    <span class="quiet">${request.account.login}${request.account.admin && ' (admin)'}</span>
    <a class="button" href="/upload">Upload files</a>
    <form method="post" action="/sign-out">
      <input type="hidden" name="_csrf" value="${csrf}" />
      <button class="plain" type="submit">Sign out</button>
    </form>
  </div>`;
}
