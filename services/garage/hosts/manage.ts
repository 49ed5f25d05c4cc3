/** What admins do with hosts. Each change is one statement or one transaction, and wakes the dispatcher. */
import { z } from 'zod';
import { wake } from '../../../shared/database/listen.ts';
import { transaction, type Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { architectureName, featureName } from '../../../shared/protocol/names.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { finishAttempt } from '../dispatch/finish.ts';
import { attemptRow, hostByName, type HostRow } from '../dispatch/rows.ts';
import { hostItem, type HostItem, type HostStatus } from './list.ts';

/** What `hosts.slots` allows. */
const MAX_SLOTS = 64;

/** A host as an admin describes it. */
export const newHost = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a host is named with lower-case letters, digits, . -'),
  /** Name or address; goes to connect(2) and nowhere else. */
  address: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'an address or name'),
  port: z.number().int().min(1).max(65535),
  username: z.string().regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'a login name'),
  hostKey: z.string().regex(/^(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+={0,2}$/, 'an OpenSSH public key'),
  /** It stands in commands there, so plain characters only. */
  workdir: z.string().regex(/^\/[A-Za-z0-9@%+=._/-]+$/, 'an absolute folder of plain characters'),
  slots: z.number().int().min(1).max(MAX_SLOTS),
  architectures: z.array(architectureName).min(1),
  features: z.array(featureName),
  minFreeBytes: z.number().int().nonnegative(),
  maxBuildS: z.number().int().positive().nullable(),
});
export type NewHost = z.infer<typeof newHost>;

/** Throws `host-invalid` with what is wrong. */
function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new AppError('host-invalid', `The host cannot be as described: ${problems.join('; ')}`);
}

const COLUMNS: Record<keyof NewHost, string> = {
  ...{ name: 'name', address: 'address', port: 'port', username: 'username', hostKey: 'host_key' },
  ...{ workdir: 'workdir', slots: 'slots', architectures: 'architectures', features: 'features' },
  ...{ minFreeBytes: 'min_free_bytes', maxBuildS: 'max_build_s' },
};

/**
 * Adds a host, or one that was removed anew under its name. It gets no build until it is resumed: whoever
 * adds it tests it first. Throws `host-invalid`, `host-exists`.
 */
export async function addHost(garage: Garage, described: NewHost): Promise<HostRow> {
  const host = checked(newHost, described);
  const names = Object.keys(COLUMNS) as (keyof NewHost)[];
  const columns = names.map((name) => COLUMNS[name]);
  const { rowCount } = await garage.pool.query(
    `insert into hosts (${columns.join(', ')}, status, status_reason)
     values (${columns.map((_, index) => `$${String(index + 1)}`).join(', ')}, 'draining', 'It was added and not tested yet')
     on conflict (name) do update
        set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')},
            status = excluded.status, status_reason = excluded.status_reason, status_since = now(),
            machine_failures = 0, failed_tests = 0, next_test_at = null, test = null, tested_at = null,
            last_error = null, last_seen_at = null
      where hosts.status = 'removed'`,
    names.map((name) => host[name]),
  );
  if (rowCount !== 1) {
    throw new AppError('host-exists', `There is a builder host '${host.name}' already`, {
      hint: `Change it with: autobuilder host set ${host.name} ..., or add this one with --name`,
    });
  }
  return requireHost(garage.pool, host.name);
}

/** The row that dispatch works with, whatever its status. Throws `host-unknown`. */
export async function requireHost(database: Queryable, name: string): Promise<HostRow> {
  const host = await hostByName(database, name);
  if (host) return host;
  throw new AppError('host-unknown', `There is no builder host '${name}'`);
}

/** Changes what is given; builds that run go on as they were. Throws `host-unknown`, `host-invalid`. */
export async function changeHost(
  garage: Garage,
  name: string,
  described: Partial<Omit<NewHost, 'name'>>,
): Promise<void> {
  const change = checked(newHost.omit({ name: true }).partial(), described);
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  await requireHost(garage.pool, name);
  if (given.length === 0) return;
  const sets = given.map(([key], index) => `${COLUMNS[key as keyof NewHost]} = $${String(index + 2)}`);
  await garage.pool.query(`update hosts set ${sets.join(', ')} where name = $1`, [
    name,
    ...given.map(([, value]) => value),
  ]);
  await wake(garage.pool, GARAGE_CHANNEL);
}

const FROM: Record<'drain' | 'resume', HostStatus[]> = {
  drain: ['active', 'quarantined', 'draining'],
  resume: ['draining', 'quarantined', 'active'],
};

async function move(
  garage: Garage,
  name: string,
  how: 'drain' | 'resume',
  reason: string | null,
): Promise<void> {
  const to: HostStatus = how === 'drain' ? 'draining' : 'active';
  const { rowCount } = await garage.pool.query(
    `update hosts
        set status = $2, status_reason = $3, next_test_at = null, machine_failures = 0, failed_tests = 0,
            status_since = case when status = $2 then status_since else now() end
      where name = $1 and status = any($4)`,
    [name, to, reason, FROM[how]],
  );
  if (rowCount === 1) return wake(garage.pool, GARAGE_CHANNEL);
  const { status } = await hostItem(garage.pool, name);
  throw new AppError('host-removed', `Builder host '${name}' is ${status}`, {
    hint: 'Add it again: autobuilder host add user@host',
  });
}

/** No more builds; what runs is finished. Throws `host-unknown`, `host-removed`. */
export function drainHost(garage: Garage, name: string, reason: string | null = null): Promise<void> {
  return move(garage, name, 'drain', reason);
}

/** Builds again, from draining or quarantine. Throws `host-unknown`, `host-removed`. */
export function resumeHost(garage: Garage, name: string): Promise<void> {
  return move(garage, name, 'resume', null);
}

/**
 * Takes it out; its past builds stay. One that still builds is refused with `host-busy`, unless `force`: then
 * its builds are given back at once, and what the host says about them later is not taken.
 */
export async function removeHost(garage: Garage, name: string, force = false): Promise<HostItem> {
  await transaction(garage.pool, async (client) => {
    // Nothing is leased to it from here on.
    await client.query('select 1 from hosts where name = $1 for update', [name]);
    const { busy } = await hostItem(client, name);
    if (busy > 0 && !force) {
      throw new AppError('host-busy', `Builder host '${name}' has ${String(busy)} builds running`, {
        hint: `Drain it first (autobuilder host drain ${name}), or give its builds back with --force`,
      });
    }
    await client.query(
      `update hosts set status = 'removed', status_reason = null, status_since = now(), next_test_at = null
        where name = $1 and status <> 'removed'`,
      [name],
    );
  });
  await giveBackAll(garage, name);
  await wake(garage.pool, GARAGE_CHANNEL);
  return hostItem(garage.pool, name);
}

async function giveBackAll(garage: Garage, name: string): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `select a.id from attempts a join hosts h on h.id = a.host_id
      where h.name = $1 and h.status = 'removed' and a.finished_at is null`,
    [name],
  );
  for (const { id } of rows) {
    const attempt = await attemptRow(garage.pool, id);
    const outcome = { exitClass: 'machine', message: `Host '${name}' was removed`, result: null } as const;
    if (attempt) await finishAttempt(garage, attempt, outcome);
  }
}
