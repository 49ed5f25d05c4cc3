/** The builder service: makes this machine a builder host. What builds is the runner that garage pushes. */
import { loadConfig } from '../../shared/config/load.ts';
import { runService } from '../../shared/process/service.ts';
import { builderSection } from './config.ts';
import { serveHealth } from './health.ts';
import { startBuilderHost } from './host/host.ts';

await runService('builder', async (log) => {
  const { home, sections } = await loadConfig({ builder: builderSection });
  const host = await startBuilderHost(home, sections.builder, log);
  const { health: listen } = sections.builder;
  const health = listen ? await serveHealth(listen, () => host.isWell()) : undefined;
  const { known } = host;
  host.announced.then(
    () => log.info('garage may come in'),
    (error: unknown) => log.error({ err: error }, 'the host could not make itself known'),
  );
  return {
    ready: { address: `${known.address}:${String(known.port)}`, user: known.username, slots: known.slots },
    async close() {
      health?.close();
      await host.stop();
    },
  };
});
