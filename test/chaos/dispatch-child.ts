/**
 * Garage's dispatcher in a process of its own, so that a test can kill -9 it: argv[2] is the runner to push
 * (default: this checkout's, bundled). Says `ready` on stdout when it dispatches.
 */
import { readFile } from 'node:fs/promises';
import { openGarage } from '../../services/garage/context.ts';
import { createDispatcher } from '../../services/garage/dispatch/dispatcher.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { waitFor } from '../support/wait.ts';

/** In place of cron's minute. */
const ROUND_MS = 500;

const garage = await openGarage();
garage.log.level = process.env['LOG_LEVEL'] ?? 'fatal';
const file = process.argv[2];
const runner = file !== undefined && {
  file: await readFile(file),
  sha256: (await hashFile(file, ['sha256'])).sums['sha256'] ?? '',
};
const dispatcher = createDispatcher(garage, runner ? { runner } : {});
// The lock of one that was killed goes as soon as PostgreSQL notices its connection.
await waitFor('the lock', () => dispatcher.start());
process.stdout.write('ready\n');
const timer = setInterval(() => void dispatcher.round(), ROUND_MS);
process.once('SIGTERM', () => {
  clearInterval(timer);
  void dispatcher.stop().then(() => garage.close());
});
