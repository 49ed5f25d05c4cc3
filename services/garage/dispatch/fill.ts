/** Gives waiting builds to free slots. */
import type { Garage } from '../context.ts';
import type { HostWatch } from './host-watch.ts';
import { canBuild, waitingLanes, type Lane } from './lanes.ts';
import { claimBuild, freeSlots } from './lease.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { activeHosts, type HostRow } from './rows.ts';

export interface Filling {
  garage: Garage;
  watch: HostWatch;
  repository: RepositoryAccess;
  stopping: AbortSignal;
  /** Products that wait and of which the log was told; told again once they did not wait for a while. */
  waiting: Set<string>;
  /** Begins an attempt that was leased. */
  begin(attemptId: string): void;
}

/** Leases as many builds as there are free slots on hosts that answer, one on each host by turns. */
export async function fillSlots(filling: Filling): Promise<void> {
  const hosts = await usableHosts(filling);
  while (hosts.length > 0 && !filling.stopping.aborted) {
    for (const usable of hosts.splice(0)) {
      const slot = usable.slots.shift();
      if (slot === undefined) continue;
      const id = await claimBuild(filling.garage, usable.host, slot, usable);
      if (id === null) continue;
      filling.begin(id);
      hosts.push(usable);
    }
  }
}

interface Usable {
  host: HostRow;
  slots: number[];
  lanes: string[];
  soleLanes: string[];
}

async function usableHosts(filling: Filling): Promise<Usable[]> {
  const { garage, watch } = filling;
  const lanes = await readyLanes(filling, await waitingLanes(garage.pool));
  if (lanes.length === 0) return [];
  const hosts = await activeHosts(garage.pool);
  const free = await freeSlots(garage.pool, hosts);
  const wanted = hosts.filter((host) => lanes.some((lane) => canBuild(host, lane)));
  // Asking a host that is away takes seconds; the others do not wait for it one by one.
  const well = await Promise.all(
    wanted.map(async (host) => (free.get(host.id)?.length ?? 0) === 0 || (await watch.isWell(host))),
  );
  const usable = wanted.filter((_, index) => well[index]);
  return usable.map((host) => {
    const own = lanes.filter((lane) => canBuild(host, lane));
    const others = usable.filter((other) => other.id !== host.id);
    const sole = own.filter((lane) => !others.some((other) => canBuild(other, lane)));
    return { host, slots: free.get(host.id) ?? [], lanes: own.map(nameOf), soleLanes: sole.map(nameOf) };
  });
}

const nameOf = ({ name }: Lane): string => name;

/** Lanes of products that are configured and whose first queue and mirrors can be fetched from. */
async function readyLanes(filling: Filling, lanes: Lane[]): Promise<Lane[]> {
  const { garage, repository, waiting } = filling;
  const ready = new Set<string>();
  for (const name of new Set(lanes.map(({ product }) => product))) {
    const product = garage.common.products.find((each) => each.name === name);
    const reason = product ? await repository.waitsFor(product) : 'it is not configured';
    if (reason === null) {
      ready.add(name);
      waiting.delete(name);
    } else if (!waiting.has(name)) {
      waiting.add(name);
      garage.log.warn({ product: name, reason }, 'builds wait for the repository');
    }
  }
  return lanes.filter(({ product }) => ready.has(product));
}
