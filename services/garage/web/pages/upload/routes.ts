import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { wake } from '../../../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../../../shared/protocol/tables.ts';
import { HttpError } from '../../errors.ts';
import { csrfField, sendPage } from '../../layout.ts';
import { html, type Markup } from '../../markup.ts';
import { needsSignIn } from '../sign-in.ts';
import { MAX_FILES, receiveUpload, type FileProblem } from './receive.ts';

/** The upload form: the same folder, the same rules and the same files as by SSH. */
export function uploadPages(app: FastifyInstance): void {
  app.get('/upload', async (request, reply) => {
    if (await needsSignIn(request, reply)) return reply;
    return showForm(request, reply, []);
  });
  app.post('/upload', { config: { csrf: 'handler' } }, async (request, reply) => {
    if (!request.account) throw signedOut();
    const { uploads, garage } = app.web;
    if (!uploads.enter()) throw busy(reply);
    try {
      const { names, problems } = await receiveUpload(request, request.account.login);
      if (problems.length > 0) return await showForm(request, reply.status(422), problems);
      await wake(garage.pool, GARAGE_CHANNEL);
      return await reply.redirect(`/uploads?arrived=${String(names.length)}`, 303);
    } finally {
      uploads.leave();
    }
  });
}

function signedOut(): HttpError {
  return new HttpError(401, 'not-signed-in', 'Nobody is signed in any more', {
    hint: 'Sign in and send the files again; nothing of them was kept.',
  });
}

function busy(reply: FastifyReply): HttpError {
  void reply.header('retry-after', '60');
  return new HttpError(503, 'too-many-uploads', 'Too many uploads are under way', {
    hint: 'Try again in a minute, or upload by SSH.',
  });
}

async function showForm(
  request: FastifyRequest,
  reply: FastifyReply,
  problems: FileProblem[],
): Promise<unknown> {
  const { products } = request.server.web.garage.common;
  return sendPage(request, reply, {
    title: 'Upload files',
    body: html`${problems.length > 0 && showProblems(problems)}
      <p class="lead">
        All files of one source package: the <code>.changes</code> (or, without one, the <code>.dsc</code>)
        and everything it lists. The order does not matter.
      </p>
      <form method="post" action="/upload" enctype="multipart/form-data" class="stack">
        ${csrfField(reply)}
        <label for="product">Product</label>
        <select id="product" name="product">
          ${products.map(({ name }) => html`<option value="${name}">${name}</option>`)}
        </select>
        <label for="files">Files (at most ${MAX_FILES})</label>
        <input id="files" name="files" type="file" multiple required />
        <button type="submit">Upload</button>
      </form>
      <p class="quiet">
        Rather from the command line? <a href="/how-to/upload">dput, scp and sftp</a> put files into the same
        place.
      </p>`,
  });
}

function showProblems(problems: FileProblem[]): Markup {
  return html`<div class="notice bad" role="alert">
    <p>Nothing was taken over. Mend this and send all files again:</p>
    <ul>
      ${problems.map(
        ({ name, message, hint }) =>
          html`<li><code>${name}</code>: ${message}. ${hint && html`<span>${hint}</span>`}</li>`,
      )}
    </ul>
  </div>`;
}
