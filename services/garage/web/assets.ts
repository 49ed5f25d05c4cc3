/** Stylesheet, script and icon: read once, served under a name that changes with their content. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';

const TYPES = {
  'style.css': 'text/css; charset=utf-8',
  'live-log.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;
export type AssetName = keyof typeof TYPES;

export interface Assets {
  /** Where pages find it. */
  url(name: AssetName): string;
  /** Makes the routes. */
  serve(app: FastifyInstance): void;
}

export async function loadAssets(): Promise<Assets> {
  const names = Object.keys(TYPES) as AssetName[];
  const contents = await Promise.all(
    names.map((name) => readFile(new URL(`assets/${name}`, import.meta.url))),
  );
  const digest = createHash('sha256');
  for (const content of contents) digest.update(content);
  const version = digest.digest('hex').slice(0, 16);
  const url = (name: AssetName): string => `/assets/${version}/${name}`;
  return {
    url,
    serve: (app) => {
      names.forEach((name, index) => {
        app.get(url(name), (_request, reply) =>
          reply
            .header('cache-control', 'public, max-age=31536000, immutable')
            .type(TYPES[name])
            .send(contents[index]),
        );
      });
    },
  };
}
