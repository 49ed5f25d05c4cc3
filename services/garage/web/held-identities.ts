/** Changes of what clients know the archive by that the repository holds back until an admin accepts them. */
import type { HeldIdentityRow } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { repositoryRows } from './repository.ts';

/** Of the queues that are configured, in no order that matters. */
export async function heldIdentities({
  pool,
  common,
}: Pick<Garage, 'pool' | 'common'>): Promise<HeldIdentityRow[]> {
  const rows = await repositoryRows<HeldIdentityRow>(
    pool,
    `select queue, product, changes, since from repository.held_identities
      where queue = any ($1) and product = any ($2) order by queue, product`,
    [common.queues.map(({ name }) => name), common.products.map(({ name }) => name)],
  );
  return rows ?? [];
}

/** What is held back, without what would follow: `Origin 'A' to 'B', Architectures without i386`. */
export function heldChanges({ changes }: HeldIdentityRow): string {
  return changes
    .map(({ field, from, to }) => (to === '' ? `${field} without ${from}` : `${field} '${from}' to '${to}'`))
    .join(', ');
}

/** For admins: what, and the two ways out. */
export function heldWarning(row: HeldIdentityRow): string {
  const { queue, product } = row;
  return (
    `${queue}/${product}: the configuration changes what clients know the archive by (${heldChanges(row)}). ` +
    'It is held back, and packages go on with the old values. On the repository’s host, see ' +
    `autobuilder identity list for what clients would see; then take it back in autobuilder.yaml, or: ` +
    `autobuilder identity accept ${queue} --product ${product}`
  );
}
