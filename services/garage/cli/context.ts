/** What each of garage's commands has at hand while it runs. */
import { loadConfig, type Loaded } from '../../../shared/config/load.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { garageSection, type GarageConfig } from '../config.ts';
import { openGarage, type Garage } from '../context.ts';

/** Opens garage for one command and closes it, whatever happens. */
export async function withGarage<T>(work: (garage: Garage) => Promise<T>): Promise<T> {
  const log = createLogger('garage');
  // What went wrong is told in one line by the command itself.
  log.level = process.env['LOG_LEVEL'] ?? 'silent';
  const garage = await openGarage(log);
  try {
    return await work(garage);
  } finally {
    await garage.close();
  }
}

/** The configuration alone, for commands that need no database. */
export function loadGarageConfig(): Promise<Loaded<{ garage: GarageConfig }>> {
  return loadConfig({ garage: garageSection });
}
