/** How every service process begins and ends; `main.ts` files hand their wiring to {@link runService}. */
import { AppError } from '../errors/app-error.ts';
import { createLogger, type Logger } from '../log/logger.ts';

export interface Service {
  /** Facts for the `ready` log line, such as the address it listens on. */
  ready: Record<string, unknown>;
  /** Ends it cleanly: nothing new is taken, what is in hand is finished or left where the next start finds it. */
  close(): Promise<void>;
}

/** A close that takes longer is cut short: every step can be repeated, so this loses nothing. */
const CLOSE_TIMEOUT_MS = 8_000;
/** sysexits.h EX_CONFIG: starting again does not help. */
export const EXIT_CONFIG = 78;

/**
 * Starts a service, logs `<name> ready`, and closes it on SIGTERM, SIGINT, or when the supervisor that
 * holds the IPC channel goes away. A start that fails ends with one line and a hint: exit code
 * {@link EXIT_CONFIG} for configuration errors, 1 otherwise.
 */
export async function runService(name: string, start: (log: Logger) => Promise<Service>): Promise<void> {
  const log = createLogger(name);
  try {
    const service = await start(log);
    log.info(service.ready, `${name} ready`);
    closeOnSignals(name, service, log);
  } catch (error) {
    if (!(error instanceof AppError)) log.error({ err: error }, `${name} did not start`);
    else log.error({ code: error.code, hint: error.hint, cause: error.cause }, error.message);
    process.exit(error instanceof AppError && error.code.startsWith('config-') ? EXIT_CONFIG : 1);
  }
}

function closeOnSignals(name: string, service: Service, log: Logger): void {
  let closing = false;
  const close = (why: string): void => {
    if (closing) return;
    closing = true;
    log.info({ why }, `${name} ends`);
    const timer = setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS);
    service.close().then(
      () => {
        clearTimeout(timer);
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, `${name} did not end cleanly`);
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', () => close('SIGTERM'));
  process.once('SIGINT', () => close('SIGINT'));
  process.once('disconnect', () => close('the supervisor is gone'));
}
