import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { ListenAddress } from '../../shared/config/fields.ts';

/** `/healthz`: 200 `ok` while `isWell`, 503 otherwise; nothing else is told. */
export async function serveHealth(listen: ListenAddress, isWell: () => boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const known = request.method === 'GET' && request.url === '/healthz';
    const status = known ? (isWell() ? 200 : 503) : 404;
    response.writeHead(status, { 'content-type': 'text/plain' }).end(status === 200 ? 'ok\n' : 'not well\n');
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  return server;
}
