/**
 * Hands uploaded binaries to the repository: a folder with a manifest that appears by one rename, and later
 * takes over what became of it. Follows from the rows alone; each step may be repeated.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { wake } from '../../../shared/database/listen.ts';
import { transaction, type Client } from '../../../shared/database/pool.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { renameDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { MANIFEST, setManifest } from '../../../shared/protocol/set.ts';
import { REPOSITORY_CHANNEL, type SetStatus } from '../../../shared/protocol/tables.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { hasRepository } from '../dispatch/repository-tables.ts';
import { refusedBinariesMail } from './mails.ts';
import { settledFolder } from './places.ts';
import { readUpload, type UploadRow } from './upload-row.ts';
import { tell } from '../mail/outbox.ts';

/** A round's worth; the next one takes the rest. */
const MAX_AT_ONCE = 100;
/** Where the manifest names the host that built it. */
const NO_HOST = 'uploaded';

interface WaitingSet {
  id: string;
  uploadId: string;
  buildId: string | null;
  architecture: string;
  binaries: FileEntry[];
  component: string;
  source: string;
  version: string;
  dsc: string;
  sources: FileEntry[];
  directory: string;
}

/** Does what can be done now; a set that fails is logged and stays for the next round. */
export async function handOverUploaded(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<WaitingSet>(
    `select t.id, t.upload_id as "uploadId", t.build_id as "buildId", t.architecture, t.files as binaries,
            s.component, s.name as source, s.version, s.dsc, s.files as sources, s.directory
       from uploaded_sets t join uploads u on u.id = t.upload_id
       join sources s on s.id = t.source_id join uploads su on su.id = s.upload_id
      where t.status = 'waiting' and u.settled_at is not null and su.settled_at is not null
      order by t.created_at, t.id limit $1`,
    [MAX_AT_ONCE],
  );
  for (const row of rows) {
    await guarded(garage, row.id, () => handOver(garage, row));
  }
  if (await hasRepository(garage.pool)) await followSets(garage);
}

async function guarded(garage: Garage, set: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    garage.log.error({ err: error, set }, 'uploaded binaries were not handed over; it is tried again');
  }
}

async function handOver(garage: Garage, set: WaitingSet): Promise<void> {
  const upload = await readUpload(garage.pool, set.uploadId);
  if (!upload) return;
  const queue = garage.common.queues[0].name;
  const folder = joinInside(garage.home.repositoryIncoming, queue, upload.product, set.id);
  if (!(await isThere(folder)) && !(await isTaken(garage, set.id))) {
    await makeSet(garage, set, upload, queue, folder);
  }
  await transaction(garage.pool, async (client) => {
    const { rowCount } = await client.query(
      "update uploaded_sets set status = 'handed-over' where id = $1 and status = 'waiting'",
      [set.id],
    );
    if (rowCount !== 1) return;
    if (set.buildId !== null) await moveBuild(client, set.buildId, 'built', 'uploaded');
    await wake(client, REPOSITORY_CHANNEL);
  });
}

/** True when the repository has taken the set: its folder is gone then, and that is well. */
async function isTaken(garage: Garage, id: string): Promise<boolean> {
  if (!(await hasRepository(garage.pool))) return false;
  const { rowCount } = await garage.pool.query('select 1 from repository.sets where id = $1', [id]);
  return rowCount === 1;
}

async function isThere(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => null)) !== null;
}

async function makeSet(
  garage: Garage,
  set: WaitingSet,
  upload: UploadRow,
  queue: string,
  folder: string,
): Promise<void> {
  const beside = path.join(path.dirname(folder), `.${set.id}.partial`);
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { recursive: true });
  const sources = joinInside(garage.home.root, set.directory);
  const binaries = settledFolder(garage.home, upload);
  for (const { name } of set.sources) await place(path.join(sources, name), path.join(beside, name));
  for (const { name } of set.binaries) await place(path.join(binaries, name), path.join(beside, name));
  const manifest = manifestOf(set, upload, queue, await signerOf(garage, upload));
  await writeFileDurably(path.join(beside, MANIFEST), JSON.stringify(manifest, null, 2));
  await renameDurably(beside, folder);
}

interface Decided {
  signedBy: string | null;
  decidedAt: Date | null;
}

async function signerOf(garage: Garage, upload: UploadRow): Promise<Decided> {
  const { rows } = await garage.pool.query<Decided>(
    'select signed_by as "signedBy", decided_at as "decidedAt" from uploads where id = $1',
    [upload.id],
  );
  return rows[0] ?? { signedBy: null, decidedAt: null };
}

/** Without what else is noted beside a file. */
function plain({ name, size, sha256 }: FileEntry): FileEntry {
  return { name, size, sha256 };
}

function manifestOf(set: WaitingSet, upload: UploadRow, queue: string, decided: Decided): unknown {
  return setManifest.parse({
    ...{ version: 1, id: set.id, queue, product: upload.product, component: set.component },
    ...{ source: set.source, sourceVersion: set.version, architecture: set.architecture, dsc: set.dsc },
    files: [...set.sources, ...set.binaries].map(plain),
    provenance: {
      ...{ uploadId: upload.id, uploader: upload.login, signedBy: decided.signedBy },
      // 0: there is no build, the binaries are an uploader's.
      ...{ buildId: Number(set.buildId ?? 0), host: NO_HOST },
      builtAt: (decided.decidedAt ?? new Date()).toISOString(),
    },
  });
}

/** A second name where the file system allows one, a copy elsewhere. */
async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}

interface EndedSet {
  id: string;
  uploadId: string;
  buildId: string | null;
  status: Exclude<SetStatus, 'incoming'>;
  reason: string | null;
}

/** What the repository made of sets that it has: installed, or refused, which their uploader is told. */
async function followSets(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<EndedSet>(
    `select t.id, t.upload_id as "uploadId", t.build_id as "buildId", r.status,
            coalesce(r.reason, r.reason_code) as reason
       from uploaded_sets t join repository.sets r on r.id = t.id
      where t.status = 'handed-over' and r.status in ('installed', 'quarantined') limit $1`,
    [MAX_AT_ONCE],
  );
  for (const row of rows) {
    await guarded(garage, row.id, () => transaction(garage.pool, (client) => endSet(client, garage, row)));
  }
}

async function endSet(client: Client, garage: Garage, set: EndedSet): Promise<void> {
  const { rowCount } = await client.query(
    "update uploaded_sets set status = $2 where id = $1 and status = 'handed-over'",
    [set.id, set.status],
  );
  if (rowCount !== 1) return;
  if (set.status === 'installed') {
    if (set.buildId !== null) await moveBuild(client, set.buildId, 'uploaded', 'installed');
    return;
  }
  const failReason = set.reason ?? 'The repository gave no reason';
  if (set.buildId !== null) {
    await moveBuild(client, set.buildId, 'uploaded', 'attempted', { failClass: 'repository', failReason });
    return; // the result mail of its source says it
  }
  const upload = await readUpload(client, set.uploadId);
  if (!upload) return;
  const mail = refusedBinariesMail(garage, upload, failReason);
  await tell(garage, client, mail, 'rejected', upload.product);
}
