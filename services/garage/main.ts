/** The garage service: accounts, web, mail, and buildme with its dispatcher. Wiring only. */
import { runService } from '../../shared/process/service.ts';
import { writeSnapshot } from './accounts/snapshot.ts';
import { startBaseSchedule } from './bases/refresh.ts';
import { startBuildme } from './buildme/service.ts';
import { openGarage } from './context.ts';
import { mailKeyWarnings } from './keys/mails.ts';
import { createDispatcher } from './dispatch/dispatcher.ts';
import { startWorker } from './mail/worker.ts';
import { mailOrders } from './orders/mail.ts';
import { startWeb } from './web/server.ts';

await runService('garage', async (log) => {
  const garage = await openGarage(log);
  await writeSnapshot(garage);
  const dispatcher = createDispatcher(garage);
  let dispatches = await dispatcher.start();
  if (!dispatches) log.warn('another process dispatches; this one takes over when that one ends');
  const dispatch = async (): Promise<void> => {
    dispatches ||= await dispatcher.start();
    await dispatcher.round();
  };
  const worker = await startWorker(garage);
  const bases = startBaseSchedule(garage);
  const web = await startWeb(garage);
  const buildme = await startBuildme(garage, [
    dispatch,
    () => mailOrders(garage),
    () => mailKeyWarnings(garage),
    () => worker.sweep(),
  ]);
  return {
    ready: { address: web.address, dispatches },
    async close() {
      await Promise.all([buildme.stop(), web.close(), bases.stop()]);
      await dispatcher.stop();
      await worker.stop();
      await garage.close();
    },
  };
});
