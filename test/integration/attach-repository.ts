import { createPool } from '../../shared/database/pool.ts';
import { createLogger } from '../../shared/log/logger.ts';
import type { Repository } from '../../services/repository/context.ts';
import { createMetrics } from '../../services/repository/metrics.ts';
import { createSigner, ensureArchiveKey } from '../../services/repository/signing/in-process.ts';

/** A repository on what is there already, for a test or for a child process of it. */
export async function attachRepository(
  place: Pick<Repository, 'home' | 'common' | 'config' | 'databaseUrl'>,
  hooks: Pick<Repository, 'step' | 'now'>,
): Promise<Repository> {
  const log = createLogger('repository');
  log.level = process.env['LOG_LEVEL'] ?? 'silent';
  const pool = createPool(place.databaseUrl, 'repository', () => undefined);
  const signer = createSigner(
    await ensureArchiveKey(place.home, { name: 'Test', email: 'test@example.org' }),
  );
  const close = (): Promise<void> => pool.end();
  return { ...place, ...hooks, log, pool, metrics: createMetrics(), signer, close };
}
