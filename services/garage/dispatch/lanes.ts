/**
 * Lanes: builds that the same hosts can build wait in one, named by the database as
 * `<product> <architecture>[ <feature>,...]`. There are few, so what a host may take next is one look at an
 * index for each.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { HostRow } from './rows.ts';

export interface Lane {
  name: string;
  product: string;
  architecture: string;
  requires: string[];
}

export function parseLane(name: string): Lane {
  const [product = '', architecture = '', requires = ''] = name.split(' ');
  return { name, product, architecture, requires: requires.split(',').filter((feature) => feature !== '') };
}

/** Whether a host has what the lane's builds need. */
export function canBuild(host: Pick<HostRow, 'architectures' | 'features'>, lane: Lane): boolean {
  return (
    host.architectures.includes(lane.architecture) &&
    lane.requires.every((feature) => host.features.includes(feature))
  );
}

/** Lanes in which a build can be picked now. Jumps from lane to lane along the index. */
export async function waitingLanes(database: Queryable): Promise<Lane[]> {
  const { rows } = await database.query<{ lane: string }>(
    `with recursive lanes (lane) as (
       (select lane from builds where status = 'needs-build' and not held order by lane limit 1)
       union all
       select (select b.lane from builds b
                where b.status = 'needs-build' and not b.held and b.lane > l.lane order by b.lane limit 1)
         from lanes l where l.lane is not null)
     select lane from lanes where lane is not null`,
  );
  return rows.map(({ lane }) => parseLane(lane));
}
