import path from 'node:path';
import type { Garage } from '../context.ts';

/** Garage's own key pair, as `builder.authorizedKey` and an admin's hosts know it. */
export function garageKeyFile(garage: Pick<Garage, 'home'>): string {
  return path.join(garage.home.garage, 'ssh', 'id_ed25519');
}
