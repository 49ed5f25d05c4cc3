/** Gives waiting checks to free slots, as dispatch/fill.ts does with builds. */
import type { Filling } from '../dispatch/fill.ts';
import { activeHosts, type HostRow } from '../dispatch/rows.ts';
import { claimCheck, freeCheckSlots, waitingCheckProducts, type Lane } from './lease.ts';

const LANES: Lane[] = ['blocking', 'informative'];

/** Leases as many checks as there are free slots for them on hosts that answer. */
export async function fillCheckSlots(filling: Omit<Filling, 'waiting'>): Promise<void> {
  const hosts = await activeHosts(filling.garage.pool);
  for (const lane of LANES) {
    for (const host of hosts) await fillHost(filling, host, lane);
  }
}

async function fillHost(filling: Omit<Filling, 'waiting'>, host: HostRow, lane: Lane): Promise<void> {
  const { garage, watch, stopping } = filling;
  const products = await readyProducts(filling, await waitingCheckProducts(garage, host, lane));
  if (products.length === 0) return;
  const slots = await freeCheckSlots(garage, host, lane);
  if (slots.length === 0 || !(await watch.isWell(host))) return;
  for (const slot of slots) {
    if (stopping.aborted) return;
    const id = await claimCheck(garage, { host, slot, lane, products });
    if (id === null) return;
    filling.begin(id);
  }
}

/** Products that are configured and whose first queue and mirrors can be fetched from. */
async function readyProducts(filling: Omit<Filling, 'waiting'>, names: string[]): Promise<string[]> {
  const { garage, repository } = filling;
  const ready: string[] = [];
  for (const name of names) {
    const product = garage.common.products.find((each) => each.name === name);
    if (product && (await repository.waitsFor(product)) === null) ready.push(name);
  }
  return ready;
}
