/** Rows of hosts and attempts as dispatch works with them. */
import { z } from 'zod';
import type { Queryable } from '../../../shared/database/pool.ts';
import { fileEntry, type FileEntry } from '../../../shared/protocol/names.ts';
import type { BuildStatus } from '../buildme/transitions.ts';

export interface HostRow {
  id: string;
  name: string;
  address: string;
  port: number;
  username: string;
  /** OpenSSH public key line, pinned. */
  hostKey: string;
  /** Absolute, on the host. */
  workdir: string;
  slots: number;
  architectures: string[];
  features: string[];
  /** Gets no build while less is free in its work folder. */
  minFreeBytes: number;
  /** Its own limit on a build's time; null: the configuration's only. */
  maxBuildS: number | null;
}

/** An attempt with everything that its steps need to know. */
export interface AttemptRow {
  id: string;
  buildId: string;
  number: number;
  slot: number;
  /** Relative to AUTOBUILDER_HOME. */
  directory: string;
  startedAt: Date;
  buildStatus: BuildStatus;
  architecture: string;
  binaries: 'any' | 'all' | 'both';
  product: string;
  source: string;
  version: string;
  component: string;
  dsc: string;
  files: FileEntry[];
  /** Relative to AUTOBUILDER_HOME. */
  sourceDirectory: string;
  uploadId: string;
  uploader: string;
  /** At least so long its target is kept when it fails; 0 leaves it to the product. */
  keepFailedS: number;
  signedBy: string | null;
  host: HostRow;
}

export const HOST_COLUMNS = `jsonb_build_object(
  'id', h.id::text, 'name', h.name, 'address', h.address, 'port', h.port, 'username', h.username,
  'hostKey', h.host_key, 'workdir', h.workdir, 'slots', h.slots, 'architectures', h.architectures, 'features', h.features,
  'minFreeBytes', h.min_free_bytes, 'maxBuildS', h.max_build_s) as host`;

/** Hosts that may be given work, by name. */
export async function activeHosts(database: Queryable): Promise<HostRow[]> {
  const { rows } = await database.query<{ host: HostRow }>(
    `select ${HOST_COLUMNS} from hosts h where h.status = 'active' order by h.name`,
  );
  return rows.map((row) => row.host);
}

/** One host by name, whatever its status; null for a name that is none's. */
export async function hostByName(database: Queryable, name: string): Promise<HostRow | null> {
  const { rows } = await database.query<{ host: HostRow }>(
    `select ${HOST_COLUMNS} from hosts h where h.name = $1`,
    [name],
  );
  return rows[0]?.host ?? null;
}

/** One attempt; null for an id that is none. */
export async function attemptRow(database: Queryable, id: string): Promise<AttemptRow | null> {
  const { rows } = await database.query<Omit<AttemptRow, 'files'> & { files: unknown }>(
    `select a.id, a.build_id as "buildId", a.number, a.slot, a.directory, a.started_at as "startedAt",
            b.status as "buildStatus", b.architecture, b.binaries, s.product, s.name as source, s.version,
            s.component, s.dsc, s.files, s.directory as "sourceDirectory", s.upload_id as "uploadId",
            c.login as uploader, b.keep_failed_s as "keepFailedS", u.signed_by as "signedBy", ${HOST_COLUMNS}
       from attempts a
       join builds b on b.id = a.build_id
       join sources s on s.id = b.source_id
       join uploads u on u.id = s.upload_id
       join accounts c on c.id = u.account_id
       join hosts h on h.id = a.host_id
      where a.id = $1`,
    [id],
  );
  const row = rows[0];
  return row ? { ...row, files: sourceFiles.parse(row.files) } : null;
}

/** `sources.files`; what else is noted there for each file is not dispatch's business. */
const sourceFiles = z.array(fileEntry.strip());
