/** Serves live over HTTP in the embedded default; any web server can take its place. Wiring only. */
import { mkdir } from 'node:fs/promises';
import { loadConfig } from '../../../shared/config/load.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { onShutdown } from '../shutdown.ts';
import { liveSection } from './config.ts';
import { buildLiveServer } from './server.ts';

const log = createLogger('live');

try {
  const { home, common, sections } = await loadConfig({ live: liveSection });
  const root = sections.live.root ?? home.live;
  await mkdir(root, { recursive: true });
  const server = await buildLiveServer({ root, common, log });
  onShutdown(log, () => server.close());
  const address = await server.listen(sections.live.listen);
  log.info({ address, root }, 'live listens');
} catch (error) {
  log.fatal({ err: error }, 'live could not start');
  process.exitCode = 1;
}
