/** Everything that runs by itself: queue managers, queue-proc and rqp, their schedule and their hints. */
import { schedule, type ScheduledTask } from 'node-cron';
import { listen } from '../../shared/database/listen.ts';
import { REPOSITORY_CHANNEL } from '../../shared/protocol/tables.ts';
import { coalesce, type Coalesced } from './coalesce.ts';
import type { Repository } from './context.ts';
import { sweepQueue } from './incoming/manager.ts';
import { createMirrorRounds } from './mirror/rounds.ts';
import { queueProducts } from './places.ts';
import { createQueueProc } from './promotion/queue-proc.ts';
import { createKeyKeeper } from './signing/keeper.ts';
import { createRqp } from './sync/rqp.ts';
import { createUpkeep } from './upkeep/upkeep.ts';
import { watchIncoming, watchMarkers } from './watch.ts';

/** Sweeps in a row while each publishes a full generation; then the queue's other products get their turn. */
const MAX_ROUNDS = 20;

export interface Service {
  /** Ends what runs, cleanly. */
  stop(): Promise<void>;
}

/** Publishes what is due (each queue with each product, empty at first) and starts all loops. */
export async function startService(repository: Repository): Promise<Service> {
  const ending = new AbortController();
  const rqp = createRqp(repository, { signal: ending.signal });
  const managers = new Map(
    repository.common.queues.map((queue) => [queue.name, createManager(repository, queue.name, rqp)]),
  );
  const proc = createQueueProc(repository, () => rqp.wake());
  const wakeManagers = (): void => {
    for (const manager of managers.values()) manager.wake();
  };
  const keeper = createKeyKeeper(repository, wakeManagers);
  const mirrors = createMirrorRounds(repository, ending.signal);
  const wakeAll = (): void => {
    keeper.wake();
    wakeManagers();
    proc.wake();
  };
  await keeper.run();
  await Promise.all([...managers.values()].map((manager) => manager.run()));
  const upkeep = createUpkeep(repository, () => rqp.wake());
  const tasks = startSchedule(repository, managers, [proc, keeper, mirrors], upkeep);
  const sweep = setInterval(() => rqp.wake(), repository.config.syncSweepS * 1000);
  const unlisten = listen(repository.databaseUrl, REPOSITORY_CHANNEL, wakeAll);
  const unwatchIncoming = await watchIncoming(repository, (queue) => managers.get(queue)?.wake());
  const unwatchMarkers = await watchMarkers(repository, () => rqp.wake());
  wakeAll();
  rqp.wake();
  mirrors.wake();
  return {
    stop: async () => {
      clearInterval(sweep);
      unwatchIncoming();
      unwatchMarkers();
      ending.abort(); // a sync or a mirror's update may take hours, and goes on at the next start
      await Promise.all([unlisten(), ...tasks.map((task) => task.destroy())]);
      await Promise.all([
        proc.stop(),
        keeper.stop(),
        upkeep.stop(),
        mirrors.stop(),
        ...[...managers.values()].map((manager) => manager.stop()),
      ]);
      await rqp.stop();
    },
  };
}

/** One manager a queue; its products one after the other, and one's failure never stops the next. */
function createManager(repository: Repository, queue: string, rqp: Coalesced): Coalesced {
  const sweep = async (): Promise<void> => {
    for (const at of queueProducts(repository.common).filter((each) => each.queue === queue)) {
      try {
        for (let round = 0; round < MAX_ROUNDS && (await sweepQueue(repository, at)); round += 1) rqp.wake();
      } catch (error) {
        repository.log.error({ err: error, ...at }, 'queue sweep failed, tried again at the next');
      }
      rqp.wake(); // a recovery may have published too
    }
  };
  return coalesce(sweep, (error) => repository.log.error({ err: error, queue }, 'queue manager failed'));
}

function startSchedule(
  repository: Repository,
  managers: ReadonlyMap<string, Coalesced>,
  eachMinute: readonly Coalesced[],
  upkeep: Coalesced,
): ScheduledTask[] {
  const { first, others, orders, gc } = repository.config.schedule;
  const options = { noOverlap: true, suppressMissedWarning: true };
  const byQueue = [...managers].map(([, manager], index) =>
    schedule(index === 0 ? first : others, () => manager.run(), options),
  );
  const byThemselves = [
    ...eachMinute.map((each) => schedule(orders, () => each.run(), options)),
    schedule(gc, () => upkeep.run(), options),
  ];
  return [...byQueue, ...byThemselves];
}
