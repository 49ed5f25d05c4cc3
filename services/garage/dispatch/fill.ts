/** Gives waiting builds to free slots. */
import type { Garage } from '../context.ts';
import type { HostWatch } from './host-watch.ts';
import { claimBuild, freeSlots, waitingProducts } from './lease.ts';
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
      const id = await claimBuild(filling.garage, usable.host, slot, usable.products);
      if (id === null) continue;
      filling.begin(id);
      hosts.push(usable);
    }
  }
}

interface Usable {
  host: HostRow;
  slots: number[];
  products: string[];
}

async function usableHosts(filling: Filling): Promise<Usable[]> {
  const usable: Usable[] = [];
  for (const host of await activeHosts(filling.garage.pool)) {
    const products = await readyProducts(filling, await waitingProducts(filling.garage, host));
    const slots = products.length > 0 ? await freeSlots(filling.garage, host) : [];
    if (slots.length > 0 && (await filling.watch.isWell(host))) usable.push({ host, slots, products });
  }
  return usable;
}

/** Products that are configured and whose first queue can be fetched from. */
async function readyProducts(filling: Filling, names: string[]): Promise<string[]> {
  const { garage, repository, waiting } = filling;
  const ready: string[] = [];
  for (const name of names) {
    const product = garage.common.products.find((each) => each.name === name);
    if (product && (await repository.sourceFor(product)) !== null) {
      ready.push(name);
      waiting.delete(name);
    } else if (!waiting.has(name)) {
      waiting.add(name);
      garage.log.warn({ product: name, configured: product !== undefined }, 'builds wait for the repository');
    }
  }
  return ready;
}
