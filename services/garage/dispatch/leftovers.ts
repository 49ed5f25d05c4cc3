/**
 * What lies on a host although nobody waits for it: attempts whose lease ran out while the host was away (their
 * runners may still build), and those whose removal was cut short. Found and ended at each contact.
 *
 * A folder on the host is only ever made for an attempt whose row was there before. So the names are read first
 * and the rows after: what is then finished by its row is a leftover, and an attempt that is just being
 * delivered never looks like one. Names without a row (checks, bases, installs by hand) are not judged here:
 * the next job in their slot removes them.
 */
import { remoteNames } from '../../../shared/ssh/remote-folder.ts';
import type { Garage } from '../context.ts';
import { remoteFolder } from './deliver.ts';
import { callRunner, type Remote } from './remote.ts';

/** A host with 64 slots and a week of kept targets has fewer. */
const MAX_NAMES = 10_000;
/** One removal takes up to a minute; the rest is found at the next contact. */
const MAX_REMOVED = 20;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Ids among `names` that are finished and not kept. */
async function finishedAmong(garage: Garage, names: string[]): Promise<string[]> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `select id from attempts
      where id = any($1::uuid[]) and finished_at is not null and coalesce(kept_until <= now(), true)
      limit $2`,
    [names, MAX_REMOVED],
  );
  return rows.map((row) => row.id);
}

/** Ends and removes them; gives their ids. Throws what the connection throws, and HostFault. */
export async function removeLeftovers(garage: Garage, remote: Remote, instance: string): Promise<string[]> {
  const folder = `${remote.host.workdir}/attempts/${instance}`;
  const names = await remoteNames(await remote.connection.files(), folder, MAX_NAMES);
  const leftovers = await finishedAmong(
    garage,
    names.filter((name) => UUID.test(name)),
  );
  for (const id of leftovers) {
    await callRunner(remote, ['remove', remoteFolder(remote, instance, id)]);
    garage.log.info({ host: remote.host.name, attempt: id }, 'removed what an attempt left on a host');
  }
  return leftovers;
}
