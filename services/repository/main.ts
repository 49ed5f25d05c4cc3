/** The repository service: queues, pool, indexes, signing, promotion, sync to live. Wiring only. */
import { runService } from '../../shared/process/service.ts';
import { openRepository } from './context.ts';
import { buildHealthServer } from './health.ts';
import { startService } from './service.ts';

await runService('repository', async (log) => {
  const repository = await openRepository(log);
  const health = buildHealthServer(repository);
  const address = await health.listen(repository.config.listen);
  log.info({ address }, 'repository listens');
  const service = await startService(repository);
  const queues = repository.common.queues.map((queue) => queue.name);
  return {
    ready: { address, queues, key: repository.signer.signing },
    async close() {
      await service.stop();
      await health.close();
      await repository.close();
    },
  };
});
