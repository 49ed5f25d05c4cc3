import type { Logger } from '../../shared/log/logger.ts';

/** Everything is safe to kill at any time; this is how long a clean end may take before that is made use of. */
const SHUTDOWN_LIMIT_MS = 20_000;

/** Runs `end` once at SIGTERM or SIGINT and leaves with 0; with 1 when it fails or takes too long. */
export function onShutdown(log: Logger, end: () => Promise<unknown>): void {
  let isEnding = false;
  const shutdown = (signal: NodeJS.Signals): void => {
    if (isEnding) return;
    isEnding = true;
    log.info({ signal }, 'ending');
    setTimeout(() => {
      log.error('did not end in time');
      process.exit(1);
    }, SHUTDOWN_LIMIT_MS).unref();
    void end().then(
      () => {
        log.info('ended');
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'did not end cleanly');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', shutdown);
  process.on('SIGINT', shutdown);
}
