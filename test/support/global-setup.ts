/**
 * One embedded PostgreSQL for a whole vitest run. This only names its folder and ends it: the first test
 * that needs a database starts it (test/support/test-database.ts), so a run of pure unit tests pays nothing.
 */
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { stopEmbeddedDatabase } from '../../shared/database/embedded/server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the run's embedded PostgreSQL, started or not. */
    databaseHome: string;
  }
}

const PREFIX = 'autobuilder-test-database-';

/** Run by vitest; returns the teardown. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers();
  const folder = await mkdtemp(path.join(tmpdir(), `${PREFIX}${String(process.pid)}-`));
  await chmod(folder, 0o755); // the server runs as a user of its own when the tests run as root
  project.provide('databaseHome', folder);
  return () => removeDatabase(folder);
}

/** Servers of runs that were killed before their teardown. */
async function removeLeftovers(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const pid = name.slice(PREFIX.length).split('-')[0] ?? '';
    const folder = path.join(tmpdir(), name);
    const { uid } = await stat(folder).catch(() => ({ uid: -1 }));
    const isOurs = uid === process.getuid?.();
    const isRunning = await stat(`/proc/${pid}`).catch(() => null);
    if (isOurs && !isRunning) await removeDatabase(folder).catch(() => undefined);
  }
}

async function removeDatabase(folder: string): Promise<void> {
  const isStarted = await stat(path.join(folder, 'connection.json')).catch(() => null);
  if (isStarted) await stopEmbeddedDatabase(folder);
  await rm(folder, { recursive: true, force: true });
}
