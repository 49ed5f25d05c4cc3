/** rqp in a process of its own, for tests that kill it: targets as JSON in the first argument. */
import { createLogger } from '../../shared/log/logger.ts';
import { openRepository } from '../../services/repository/context.ts';
import type { TargetConfig } from '../../services/repository/sync/config.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';

const targets = JSON.parse(process.argv[2] ?? '[]') as TargetConfig[];
const log = createLogger('repository');
log.level = 'silent';
const repository = await openRepository(log);
await createRqp({ ...repository, config: { ...repository.config, targets } }).run();
await repository.close();
