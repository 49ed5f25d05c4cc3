/**
 * All services of one machine on embedded defaults, in the order in which they need each other; each may
 * die and come back alone. Production hosts run the same services under systemd instead.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { homeFolders } from '../../shared/config/home.ts';
import { keepEmbeddedDatabase } from '../../shared/database/embedded/keeper.ts';
import { stopEmbeddedDatabase } from '../../shared/database/embedded/server.ts';
import { superviseChild, type Child } from './child.ts';

const CHECKOUT = path.resolve(import.meta.dirname, '../..');

/** name, program, and whether it may know the database's address. */
const SERVICES = [
  ['repository', 'services/repository/main.ts', true],
  ['live', 'services/repository/live/main.ts', false],
  ['garage', 'services/garage/main.ts', true],
  ['drop', 'services/drop/main.ts', false],
  ['builder', 'services/builder/main.ts', false],
] as const;

export interface Supervisor {
  children: Child[];
  /** The facts each service gave when it was ready, by name. Rejects with the first that does not start. */
  ready: Promise<Record<string, Record<string, unknown>>>;
  /** Ends the services; the embedded database stays. */
  stopServices(): Promise<void>;
  /** Ends the services, then the embedded database. */
  stop(): Promise<void>;
}

/** Starts everything under `$AUTOBUILDER_HOME`. */
export async function startAll(onLine: (service: string, line: string) => void): Promise<Supervisor> {
  const home = homeFolders();
  await mkdir(home.run, { recursive: true });
  const environment: NodeJS.ProcessEnv = { ...process.env, AUTOBUILDER_HOME: home.root };
  const children = SERVICES.map(([name, main, usesDatabase]) => {
    const env = usesDatabase ? environment : without(environment, 'DATABASE_URL');
    return superviseChild({ name, main: path.join(CHECKOUT, main), env }, (line) => onLine(name, line));
  });
  const isEmbedded = process.env['DATABASE_URL'] === undefined;
  const unwatch = isEmbedded
    ? keepEmbeddedDatabase(home.database, (text) => onLine('database', text))
    : () => Promise.resolve();
  const ready = Promise.all(children.map(async (child) => [child.name, await child.ready] as const)).then(
    (pairs) => Object.fromEntries(pairs),
  );
  const stopServices = async (): Promise<void> => {
    await unwatch();
    await Promise.all(children.map((child) => child.stop()));
  };
  return {
    children,
    ready,
    stopServices,
    async stop() {
      await stopServices();
      if (isEmbedded) await stopEmbeddedDatabase(home.database);
    },
  };
}

function without(environment: NodeJS.ProcessEnv, name: string): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([key]) => key !== name));
}
