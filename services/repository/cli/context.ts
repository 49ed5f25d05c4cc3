/** What each of the repository's commands has at hand while it runs. */
import { createLogger } from '../../../shared/log/logger.ts';
import { openRepository, type Repository } from '../context.ts';

/** Opens the repository for one command and closes it, whatever happens. */
export async function withRepository<T>(work: (repository: Repository) => Promise<T>): Promise<T> {
  const log = createLogger('repository');
  // What went wrong is told in one line by the command itself.
  log.level = process.env['LOG_LEVEL'] ?? 'silent';
  const repository = await openRepository(log);
  try {
    return await work(repository);
  } finally {
    await repository.close();
  }
}
