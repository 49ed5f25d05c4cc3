/** Serves live over HTTP in the embedded default; any web server can take its place. Wiring only. */
import { mkdir } from 'node:fs/promises';
import { loadConfig } from '../../../shared/config/load.ts';
import { runService } from '../../../shared/process/service.ts';
import { liveSection } from './config.ts';
import { buildLiveServer } from './server.ts';

await runService('live', async (log) => {
  const { home, sections, ...loaded } = await loadConfig({ live: liveSection });
  const common = await loaded.common();
  const root = sections.live.root ?? home.live;
  const mirrors = sections.live.mirrors ?? home.mirrors;
  for (const folder of [root, mirrors]) await mkdir(folder, { recursive: true });
  const server = await buildLiveServer({ root, mirrors, common, log });
  const address = await server.listen(sections.live.listen);
  log.info({ address, root }, 'live listens');
  return { ready: { address, root }, close: () => server.close() };
});
