/** Which hosts there are, and whether they answer. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { builderHost } from '../../../shared/protocol/builder-host.ts';
import type { Garage } from '../context.ts';

/**
 * Takes over what this machine's builder service says about itself, if it has said anything. Its status
 * stays what an admin made it. Throws `builder-host-invalid` for a file that is not in the form.
 */
export async function registerEmbeddedHost(garage: Garage): Promise<void> {
  const file = path.join(garage.home.builder, 'host.json');
  const host = await readHost(file);
  if (host === null) return;
  await garage.pool.query(
    `insert into hosts (name, address, port, username, host_key, workdir, slots, architectures)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (name) do update
        set address = excluded.address, port = excluded.port, username = excluded.username,
            host_key = excluded.host_key, workdir = excluded.workdir, slots = excluded.slots,
            architectures = excluded.architectures
      where (hosts.address, hosts.port, hosts.username, hosts.host_key, hosts.workdir, hosts.slots,
             hosts.architectures)
            is distinct from
            (excluded.address, excluded.port, excluded.username, excluded.host_key, excluded.workdir,
             excluded.slots, excluded.architectures)`,
    [
      host.name,
      host.address,
      host.port,
      host.username,
      host.hostKey,
      host.workdir,
      host.slots,
      host.architectures,
    ],
  );
}

async function readHost(file: string): Promise<ReturnType<typeof builderHost.parse> | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    return builderHost.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('builder-host-invalid', `${file} is not what a builder host writes`, {
      hint: 'Restart the builder service; it writes the file anew.',
      cause,
    });
  }
}

/** Notes that a host answered just now. */
export async function markSeen(database: Queryable, hostId: string): Promise<void> {
  await database.query('update hosts set last_seen_at = now(), last_error = null where id = $1', [hostId]);
}

/** Notes why a host gets no work; one sentence for people. */
export async function markUnwell(database: Queryable, hostId: string, reason: string): Promise<void> {
  await database.query('update hosts set last_error = $2 where id = $1', [hostId, reason]);
}
