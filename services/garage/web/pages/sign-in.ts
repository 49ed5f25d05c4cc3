import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { verifyPassword } from '../../accounts/accounts.ts';
import { HttpError, parse } from '../errors.ts';
import { csrfField, sendPage } from '../layout.ts';
import { html } from '../markup.ts';
import { signIn } from '../session.ts';

/** Attempts a minute from one address: plenty for typing errors, useless for guessing. */
const ATTEMPTS_PER_MINUTE = 10;
const WRONG = 'This login and password do not belong together, or the account is disabled.';

const form = z.object({
  login: z.string().max(64),
  /** Longer ones would only cost hashing time. */
  password: z.string().max(1024),
  next: z.string().max(2048).default('/'),
});

export function signInPages(app: FastifyInstance): void {
  app.get('/sign-in', async (request, reply) => {
    const next = localPath((request.query as { next?: unknown }).next);
    if (request.account) return reply.redirect(next, 303);
    return showForm(request, reply, { login: '', next });
  });
  const rateLimit = { max: ATTEMPTS_PER_MINUTE, timeWindow: 60_000 };
  app.post('/sign-in', { config: { rateLimit } }, async (request, reply) => {
    const wrongForm = new HttpError(400, 'bad-request', 'This is not the sign-in form');
    const { login, password, next } = parse(form, request.body, wrongForm);
    const account = await verifyPassword(request.server.web.garage, login.trim(), password);
    if (account && (await signIn(request, account.login))) return reply.redirect(localPath(next), 303);
    reply.status(401);
    return showForm(request, reply, { login, next: localPath(next), problem: WRONG });
  });
  app.post('/sign-out', async (request, reply) => {
    request.session.delete();
    return reply.redirect('/', 303);
  });
}

/** Sends whoever is not signed in to the form and back; true when that happened. */
export async function needsSignIn(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
  if (request.account) return false;
  await reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
  return true;
}

interface FormState {
  login: string;
  next: string;
  problem?: string;
}

async function showForm(request: FastifyRequest, reply: FastifyReply, state: FormState): Promise<unknown> {
  return sendPage(request, reply, {
    title: 'Sign in',
    body: html`${state.problem && html`<p class="notice bad" role="alert">${state.problem}</p>`}
      <form method="post" action="/sign-in" class="stack">
        ${csrfField(reply)} <input type="hidden" name="next" value="${state.next}" />
        <label for="login">Login</label>
        <input
          id="login"
          name="login"
          value="${state.login}"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          maxlength="64"
          required
          ${state.login === '' && 'autofocus'}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          maxlength="1024"
          required
          ${state.login !== '' && 'autofocus'}
        />
        <button type="submit">Sign in</button>
      </form>
      <p class="quiet">
        No account, or no password yet? An administrator makes accounts and sets passwords.
      </p>`,
  });
}

/** Only a path on this site: an address from elsewhere in a link must not carry anybody away. */
function localPath(next: unknown): string {
  const isLocal = typeof next === 'string' && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(next);
  return isLocal ? next : '/';
}
