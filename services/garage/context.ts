import type { CommonConfig } from '../../shared/config/common.ts';
import type { Home } from '../../shared/config/home.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { createPool, databaseSection, databaseUrl, type Pool } from '../../shared/database/pool.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { createLogger, type Logger } from '../../shared/log/logger.ts';
import { garageSection, type GarageConfig } from './config.ts';

/** What every part of garage works with; made once by the service, the CLI or a test. */
export interface Garage {
  home: Home;
  common: CommonConfig;
  config: GarageConfig;
  pool: Pool;
  /** For LISTEN connections and graphile-worker. */
  databaseUrl: string;
  log: Logger;
  close(): Promise<void>;
}

const MIGRATIONS = new URL('migrations', import.meta.url).pathname;

/** Loads the configuration, reaches (or starts) the database and migrates schema `garage`. */
export async function openGarage(log: Logger = createLogger('garage')): Promise<Garage> {
  const { home, sections, ...loaded } = await loadConfig({
    database: databaseSection,
    garage: garageSection,
  });
  const common = await loaded.common();
  const url = await databaseUrl(sections.database, home);
  await migrate(url, 'garage', MIGRATIONS);
  const pool = createPool(url, 'garage', (error) =>
    log.warn({ err: error }, 'idle database connection broke'),
  );
  return { home, common, config: sections.garage, pool, databaseUrl: url, log, close: () => pool.end() };
}
