/** `npm start`: all services in the foreground until Ctrl-C. */
import path from 'node:path';
import { homeFolders } from '../../shared/config/home.ts';
import { AppError, messageOf } from '../../shared/errors/app-error.ts';
import { withFileLock } from '../../shared/files/lock.ts';
import { addresses, untilSignal } from './addresses.ts';
import { printLine } from './console.ts';
import { startAll } from './supervisor.ts';

const home = homeFolders();

async function main(): Promise<void> {
  const ended = untilSignal();
  const supervisor = await startAll(printLine);
  try {
    const facts = await Promise.race([supervisor.ready, ended]);
    if (facts) process.stdout.write(`${addresses(home.root, facts)}\nCtrl-C ends it.\n`);
    await ended;
  } finally {
    process.stdout.write('ending the services\n');
    await supervisor.stop();
  }
}

try {
  await withFileLock(path.join(home.run, 'start.lock'), 0, main);
  process.exit(0);
} catch (error) {
  const busy = error instanceof AppError && error.code === 'lock-busy';
  const hint = error instanceof AppError ? error.hint : undefined;
  process.stderr.write(
    busy
      ? `error: Autobuilder already runs from ${home.root}\nhint: use that one, end it first, or set AUTOBUILDER_HOME to another folder\n`
      : `error: ${messageOf(error)}\n${hint ? `hint: ${hint}\n` : ''}`,
  );
  process.exit(1);
}
