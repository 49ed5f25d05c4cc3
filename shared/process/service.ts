/** How every service process begins and ends; `main.ts` files hand their wiring to {@link runService}. */
import { AppError, hasErrno, messageOf } from '../errors/app-error.ts';
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
 * holds the IPC channel goes away; told so while it starts, it closes as soon as it has started. A start
 * that fails ends with one line and a hint: exit code {@link EXIT_CONFIG} for configuration errors, 1
 * otherwise.
 */
export async function runService(name: string, start: (log: Logger) => Promise<Service>): Promise<void> {
  const log = createLogger(name);
  const told = untilTold();
  // A start that hangs is not waited for.
  void told.then(() => setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS).unref());
  try {
    const service = await start(log);
    log.info(service.ready, `${name} ready`);
    void told.then((why) => close(name, service, why, log));
  } catch (error) {
    const known = error instanceof AppError ? error : explained(name, error);
    if (known) log.error({ code: known.code, hint: known.hint, cause: known.cause }, known.message);
    else log.error({ err: error }, `${name} did not start: ${messageOf(error)}`);
    process.exit(known?.code.startsWith('config-') ? EXIT_CONFIG : 1);
  }
}

/** System errors that people meet at a start, in words that help. */
function explained(name: string, error: unknown): AppError | null {
  if (!hasErrno(error, 'EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL')) return null;
  const { syscall, code, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (syscall !== 'listen') return null;
  const where = `${address ?? ''}:${String(port ?? '')}`;
  const why =
    code === 'EADDRINUSE' ? 'another program listens there' : `the system refuses it (${String(code)})`;
  return new AppError('address-unusable', `${name} cannot listen on ${where}: ${why}`, {
    hint: `End the other program, or set another address for ${name} in the configuration.`,
    cause: error,
  });
}

/** Resolves with the reason once this process is to end; a second signal changes nothing. */
function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    process.on('SIGTERM', () => resolve('SIGTERM'));
    process.on('SIGINT', () => resolve('SIGINT'));
    process.once('disconnect', () => resolve('the supervisor is gone'));
  });
}

async function close(name: string, service: Service, why: string, log: Logger): Promise<void> {
  log.info({ why }, `${name} ends`);
  try {
    await service.close();
    process.exit(0);
  } catch (error) {
    log.error({ err: error }, `${name} did not end cleanly`);
    process.exit(1);
  }
}
