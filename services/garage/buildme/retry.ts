/**
 * What `buildme --retry` puts back to work: what failed by no fault of a package. A named source's builds
 * are put back whatever they failed of, since a person looked at them; of its newest version only.
 */
import { wake } from '../../../shared/database/listen.ts';
import { transaction, type Client } from '../../../shared/database/pool.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { retryUploads } from '../uploads/retries.ts';
import { BUILD_TRANSITIONS, moveBuild, type BuildStatus } from './transitions.ts';

/** Ends that a retry undoes; who cancelled a build said so on purpose. */
const FAILED: BuildStatus[] = ['attempted', 'given-back', 'dep-wait'];
/** Whose fault is not the package's, and may have gone since. */
const NOT_THE_PACKAGES = ['machine', 'repository', 'usage'];

export interface RetriedBuild {
  id: string;
  product: string;
  source: string;
  version: string;
  architecture: string;
  status: BuildStatus;
}

export interface Retried {
  builds: RetriedBuild[];
  /** Uploads whose tries were used up or that waited for the next one. */
  uploads: number;
}

interface Candidate extends RetriedBuild {
  failClass: string | null;
}

/** Puts builds back to `needs-build`, their faults forgotten. Throws `source-unknown` for a name that none has. */
export function retryFailed(garage: Garage, source: string | null): Promise<Retried> {
  return transaction(garage.pool, async (client) => {
    const uploads = await retryUploads(client, source);
    const all = await candidates(client, source);
    const isMeant = ({ status, failClass }: Candidate): boolean =>
      source !== null || status === 'given-back' || NOT_THE_PACKAGES.includes(failClass ?? '');
    const builds: RetriedBuild[] = [];
    for (const build of all.filter(isMeant)) {
      if (!(await putBack(client, build))) continue;
      const { id, product, source: name, version, architecture, status } = build;
      builds.push({ id, product, source: name, version, architecture, status });
    }
    if (source !== null && uploads === 0 && builds.length === 0) await requireSource(client, source);
    await wake(client, GARAGE_CHANNEL);
    return { builds, uploads };
  });
}

/** Failed builds of each source's newest version. */
async function candidates(client: Client, source: string | null): Promise<Candidate[]> {
  const { rows } = await client.query<Candidate>(
    `select b.id, s.product, s.name as source, s.version, b.architecture, b.status, b.fail_class as "failClass"
       from builds b join sources s on s.id = b.source_id
      where b.status = any($1) and ($2::text is null or s.name = $2) order by b.id`,
    [FAILED, source],
  );
  const isNewest = await newestVersions(client, rows);
  return rows.filter(isNewest);
}

async function newestVersions(
  client: Client,
  builds: readonly Candidate[],
): Promise<(build: Candidate) => boolean> {
  const { rows } = await client.query<{ product: string; name: string; version: string }>(
    'select product, name, version from sources where name = any($1)',
    [[...new Set(builds.map((build) => build.source))]],
  );
  const newest = new Map<string, string>();
  for (const { product, name, version } of rows) {
    const known = newest.get(`${product}/${name}`);
    if (known === undefined || compareVersions(version, known) > 0) newest.set(`${product}/${name}`, version);
  }
  return (build) => newest.get(`${build.product}/${build.source}`) === build.version;
}

async function putBack(client: Client, { id, status }: Candidate): Promise<boolean> {
  if (!BUILD_TRANSITIONS[status].includes('needs-build')) return false;
  if (!(await moveBuild(client, id, status, 'needs-build'))) return false;
  await client.query('update builds set given_back = 0, not_before = now() where id = $1', [id]);
  return true;
}

async function requireSource(client: Client, source: string): Promise<void> {
  const { rowCount } = await client.query('select 1 from sources where name = $1 limit 1', [source]);
  if ((rowCount ?? 0) > 0) return;
  throw new AppError('source-unknown', `No source '${source.slice(0, 128)}' was ever accepted`, {
    hint: 'autobuilder source list shows them.',
  });
}
