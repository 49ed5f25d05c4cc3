import { createServer } from 'node:net';
import { AppError } from '../../../shared/errors/app-error.ts';

/** `wanted`, or where that is 0: `last` if it is free, else any free one. Throws `no-free-port`. */
export async function choosePort(host: string, wanted: number, last: number | null): Promise<number> {
  if (wanted !== 0) return wanted;
  const port = (last === null ? null : await bind(host, last)) ?? (await bind(host, 0));
  if (port !== null) return port;
  throw new AppError('no-free-port', `No free port on ${host}`);
}

function bind(host: string, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });
}
