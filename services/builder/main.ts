/** The builder service: makes this machine a builder host. What builds is the runner that garage pushes. */
import { once } from 'node:events';
import { loadConfig } from '../../shared/config/load.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { builderSection } from './config.ts';
import { serveHealth } from './health.ts';
import { startBuilderHost } from './host/host.ts';

const log = createLogger('builder');

async function main(): Promise<void> {
  const told = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const { home, sections } = await loadConfig({ builder: builderSection });
  const host = await startBuilderHost(home, sections.builder, log);
  const health = sections.builder.health
    ? await serveHealth(sections.builder.health, () => host.isWell())
    : undefined;
  log.info('sshd answers; waiting for the public key of garage');
  const ready = host.ready.then((known) =>
    log.info({ address: known.address, port: known.port, slots: known.slots }, 'builder host is ready'),
  );
  await Promise.race([told, ready.then(() => told)]);
  health?.close();
  await host.stop();
}

try {
  await main();
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  log.fatal({ code: error.code, hint: error.hint, err: error.cause }, error.message);
  process.exitCode = 1;
}
