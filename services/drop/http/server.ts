/** `/healthz` and `/metrics`. HTTP PUT uploads will be routes beside these, over the same spool. */
import fastify, { type FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../../../shared/config/fields.ts';
import type { AccountsReader } from '../accounts-snapshot.ts';
import type { DropMetrics } from '../metrics.ts';

/** Nothing here takes a body yet. */
const MAX_BODY_BYTES = 1024;
const REQUEST_TIMEOUT_MS = 10_000;

export interface HttpServer {
  address: ListenAddress;
  close(): Promise<void>;
}

export async function startHttpServer(options: {
  listen: ListenAddress;
  accounts: AccountsReader;
  metrics: DropMetrics;
}): Promise<HttpServer> {
  const server = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  });
  routes(server, options.accounts, options.metrics);
  await server.listen(options.listen);
  const { port } = server.server.address() as AddressInfo;
  return { address: { host: options.listen.host, port }, close: () => server.close() };
}

function routes(server: FastifyInstance, accounts: AccountsReader, metrics: DropMetrics): void {
  server.get('/healthz', async (_request, reply) => {
    const now = await accounts.current();
    // Without a snapshot it listens, but nobody can log in: not well, and it recovers by itself.
    if (!now) return reply.code(503).send({ status: 'no-accounts', accountsWrittenAt: null });
    return { status: 'ok', accountsWrittenAt: now.writtenAt };
  });
  server.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
