import { pino, type Logger } from 'pino';

export type { Logger };

/** Keys whose values must never reach a log, wherever they stand in the logged object. */
const NEVER_LOGGED = ['password', 'passphrase', 'secret', 'token', 'cookie', 'authorization', 'privateKey'];

/** A service's logger: JSON lines on stderr, secrets censored. Level by `LOG_LEVEL` (default `info`). */
export function createLogger(service: string): Logger {
  const paths = NEVER_LOGGED.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);
  return pino(
    {
      name: service,
      level: process.env['LOG_LEVEL'] ?? 'info',
      base: { service },
      redact: { paths, censor: '[secret]' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
