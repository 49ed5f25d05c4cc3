/** The builder service: makes this machine a builder host. What builds is the runner that garage pushes. */
import { loadConfig } from '../../shared/config/load.ts';
import { runService } from '../../shared/process/service.ts';
import { builderSection } from './config.ts';
import { serveHealth } from './health.ts';
import { startBuilderHost } from './host/host.ts';

await runService('builder', async (log) => {
  const { home, sections } = await loadConfig({ builder: builderSection });
  const host = await startBuilderHost(home, sections.builder, log);
  const health = sections.builder.health
    ? await serveHealth(sections.builder.health, () => host.isWell())
    : undefined;
  log.info('sshd answers; waiting for the public key of garage');
  void host.ready.then((known) =>
    log.info({ address: known.address, port: known.port, slots: known.slots }, 'builder host is ready'),
  );
  return {
    ready: {},
    async close() {
      health?.close();
      await host.stop();
    },
  };
});
