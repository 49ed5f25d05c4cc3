/** What a person sees who opens the repository's address: the queues, the key and what to type. */
import { html } from 'ghtml';
import type { CommonConfig } from '../../../shared/config/common.ts';
import { archiveSlug, keyringPackageName, keyringPath } from '../../../shared/protocol/names.ts';

/** A sources(5) entry in deb822 format. */
export function sourcesSnippet(common: CommonConfig, base: string, queue: string): string {
  const [product] = common.products;
  return [
    'Types: deb deb-src',
    `URIs: ${base}/${queue}`,
    `Suites: ${product?.name ?? ''}`,
    `Components: ${(product?.components ?? []).join(' ')}`,
    `Signed-By: ${keyringPath(common.name)}`,
  ].join('\n');
}

/** The page; everything that comes from outside is escaped. `base` is the address without a slash at the end. */
export function indexPage(common: CommonConfig, base: string): string {
  const last = common.queues.at(-1)?.name ?? '';
  const keyring = keyringPath(common.name);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${common.name}: packages</title>
        <style>
          body {
            font-family: sans-serif;
            max-width: 48rem;
            margin: 2rem auto;
            padding: 0 1rem;
            line-height: 1.5;
          }
          pre {
            background: #f3f3f3;
            padding: 1rem;
            overflow-x: auto;
          }
        </style>
      </head>
      <body>
        <h1>${common.name}: packages</h1>
        <p>An apt repository for ${common.products.map((product) => product.name).join(', ')}.</p>
        <h2>Queues</h2>
        <ul>
          !${common.queues.map((queue) => html`<li><code>${base}/${queue.name}</code></li>`).join('')}
        </ul>
        <h2>Use it</h2>
        <p>
          Fetch the archive's keys (<a href="/archive-key.gpg">archive-key.gpg</a>, or
          <a href="/archive-key.asc">archive-key.asc</a> to look at):
        </p>
        <pre>sudo curl -fsSo ${keyring} ${base}/archive-key.gpg</pre>
        <p>and write <code>/etc/apt/sources.list.d/${archiveSlug(common.name)}.sources</code>:</p>
        <pre>${sourcesSnippet(common, base, last)}</pre>
        <p>
          <code>apt install ${keyringPackageName(common.name)}</code> keeps the keys up to date by ordinary
          upgrades.
        </p>
      </body>
    </html> `;
}
