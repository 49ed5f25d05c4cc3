/** What has to be built of an accepted source. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { firstRow } from '../../../shared/database/pool.ts';
import { architecturesToBuild } from '../../../shared/debian/architecture.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { relateSource } from './relate.ts';
import { sourceSetting } from './source-settings.ts';

interface SourceRow {
  id: string;
  product: string;
  name: string;
  version: string;
  architectures: string[];
}

/**
 * One build for each architecture that applies, or one `not-for-us`; and builds of older versions that are
 * still open are superseded. Part of the caller's transaction; planning again changes nothing. The builds are
 * held until the source's .dsc lies at its place and was read (relate.ts): now if it does, by a round later.
 *
 * A superseded build that runs is ended by its attempt's next look at the database (attempt.ts); one that is
 * `built` already goes to the repository, which knows best what it has published meanwhile.
 */
export async function planBuilds(
  database: Queryable,
  garage: Pick<Garage, 'common' | 'home' | 'log'>,
  sourceId: string,
): Promise<void> {
  const { rows } = await database.query<SourceRow>(
    'select id, product, name, version, architectures from sources where id = $1',
    [sourceId],
  );
  const source = firstRow(rows, 'source-unknown', `There is no source ${sourceId}`);
  const product = garage.common.products.find((each) => each.name === source.product);
  if (!product) {
    throw new AppError('product-unknown', `Product '${source.product}' is not configured`, {
      hint: `Known: ${garage.common.products.map((each) => each.name).join(', ')}`,
    });
  }
  const preferred = product.architectures[0];
  const wish = await sourceSetting(database, source);
  const requires = [...product.requires, ...wish.requires];
  const builds = architecturesToBuild(source.architectures, product.architectures, preferred);
  for (const { architecture, binaries } of builds) {
    await database.query(
      `insert into builds (source_id, architecture, binaries, priority, requires, held)
       values ($1, $2, $3, $4, $5, true) on conflict (source_id, architecture) do nothing`,
      [source.id, architecture, binaries, wish.priority, requires],
    );
  }
  if (builds.length === 0) await insertNotForUs(database, source.id, preferred);
  await supersedeOlder(database, source);
  await relateSource(database, garage, source.id);
}

async function insertNotForUs(database: Queryable, sourceId: string, architecture: string): Promise<void> {
  await database.query(
    `insert into builds (source_id, architecture, binaries, status) values ($1, $2, 'any', 'not-for-us')
     on conflict (source_id, architecture) do nothing`,
    [sourceId, architecture],
  );
}

const OPEN: BuildStatus[] = ['needs-build', 'building', 'dep-wait', 'given-back'];

async function supersedeOlder(database: Queryable, source: SourceRow): Promise<void> {
  const { rows } = await database.query<{ id: string; status: BuildStatus; version: string }>(
    `select b.id, b.status, s.version
       from builds b join sources s on s.id = b.source_id
      where s.product = $1 and s.name = $2 and s.id <> $3 and b.status = any($4)
      order by b.id`,
    [source.product, source.name, source.id, OPEN],
  );
  for (const build of rows) {
    if (compareVersions(build.version, source.version) >= 0) continue;
    await moveBuild(database, build.id, build.status, 'superseded', {
      failReason: `Version ${source.version} was accepted.`,
    });
  }
}
