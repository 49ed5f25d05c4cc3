/** A real garage on a database and a home of its own; configured through the real configuration file. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { z } from 'zod';
import { homeFolders } from '../../shared/config/home.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { createPool } from '../../shared/database/pool.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { minimalEnvironment } from '../../shared/process/run.ts';
import { garageSection } from '../../services/garage/config.ts';
import type { Garage } from '../../services/garage/context.ts';
import { createTestDatabase } from './test-database.ts';

export interface TestGarage extends Garage {
  /** What a child process needs to be of the same installation: AUTOBUILDER_HOME, DATABASE_URL, ... */
  env: Record<string, string>;
  /** Closes everything and removes database and home. */
  dispose(): Promise<void>;
}

/** Top-level keys of autobuilder.yaml; what is not given is one product, `bookworm` on amd64. */
export interface TestGarageOverrides {
  name?: string;
  products?: Record<string, unknown>;
  queues?: Record<string, unknown>;
  garage?: z.input<typeof garageSection>;
  /** Sections of other services, which garage does not look into. */
  builder?: unknown;
  drop?: unknown;
  repository?: unknown;
}

/** Never reached: nothing in these tests builds. */
const SOURCES = [{ uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] }];

/** Opens one; call `dispose` when done. Logs errors only, unless LOG_LEVEL says otherwise. */
export async function openTestGarage(overrides: TestGarageOverrides = {}): Promise<TestGarage> {
  const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-home-'));
  const database = await createTestDatabase();
  const home = homeFolders(root);
  const products = { bookworm: { architectures: ['amd64'], sources: SOURCES, checks: { install: 'off' } } };
  // JSON is YAML; the children of a test read the same file.
  await writeFile(path.join(root, 'autobuilder.yaml'), JSON.stringify({ products, ...overrides }));
  delete process.env['AUTOBUILDER_CONFIG'];
  const { sections, ...loaded } = await loadConfig({ garage: garageSection }, home);
  const common = await loaded.common();
  const log = createLogger('garage');
  log.level = process.env['LOG_LEVEL'] ?? 'error';
  const pool = createPool(database.url, 'garage', () => undefined);
  const close = (): Promise<void> => pool.end();
  return {
    ...{ home, common, config: sections.garage, pool, databaseUrl: database.url, log, close },
    env: minimalEnvironment({ AUTOBUILDER_HOME: root, DATABASE_URL: database.url }),
    dispose: async () => {
      await close();
      await database.drop();
      await rm(root, { recursive: true, force: true });
    },
  };
}
