/** Stands for the repository and live: takes every set at once and says so, publishes nothing. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Garage } from '../../services/garage/context.ts';
import { wake } from '../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../shared/protocol/tables.ts';
import { migrate } from '../../shared/database/migrate.ts';

const LOOK_EVERY_MS = 500;
const KEY = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n';

export interface Stopping {
  stop(): Promise<void>;
}

/** A web server that has a key and every product. */
export async function serveLive(): Promise<Stopping & { url: string }> {
  const server = createServer((request, response) => {
    if (request.url === '/archive-key.asc') response.end(KEY);
    else response.writeHead(request.url?.endsWith('/InRelease') === true ? 200 : 404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Makes the repository's tables and one live generation, then takes sets until it is stopped. */
export async function takeSets(garage: Garage): Promise<Stopping> {
  const migrations = new URL('../../services/repository/migrations', import.meta.url).pathname;
  await migrate(garage.databaseUrl, 'repository', migrations);
  const product = garage.common.products[0]?.name ?? '';
  const queue = garage.common.queues[0].name;
  const folder = path.join(garage.home.repositoryIncoming, queue, product);
  await garage.pool.query(
    `insert into repository.generations (queue, product, number, status, cause, live_at)
     values ($1, $2, 1, 'live', 'bench', now())`,
    [queue, product],
  );
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    const sets = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.'));
    await garage.pool.query(
      `insert into repository.sets (id, queue, product, source, source_version, architecture, status, generation_id, manifest)
       select id, $2, $3, 'bench', '1.0', 'amd64', 'installed', (select max(g.id) from repository.generations g), '{}'
         from unnest($1::uuid[]) id on conflict do nothing`,
      [sets, queue, product],
    );
    if (sets.length > 0) await wake(garage.pool, GARAGE_CHANNEL);
    for (const name of sets) await rm(path.join(folder, name), { recursive: true, force: true });
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}
