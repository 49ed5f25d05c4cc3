/**
 * What packages hold, kept in the database: read from a file once in its life, when its set is taken in, or
 * where that was not done (contents were off, the package was imported) when the indexes first ask.
 */
import path from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib';
import { stat } from 'node:fs/promises';
import type { Queryable } from '../../../shared/database/pool.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { readFileList } from '../incoming/read-file-list.ts';
import { readSourceList } from '../incoming/read-source-list.ts';
import type { FileLists } from '../indexes/kinds/kind.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
/** A million paths of the greatest length would be more; no package has them (see TarPaths). */
const MAX_LIST_BYTES = 256 * 1024 * 1024;

/** A list as the table keeps it, for whoever writes many rows at once. */
export function packPaths(paths: readonly string[]): Buffer {
  return zstdCompressSync(Buffer.from(paths.join('\n'), 'latin1'));
}

/** Keeps a package's paths (sorted, latin1); a list that is there already stays. */
export async function recordFileList(
  database: Queryable,
  packageId: string,
  paths: readonly string[],
): Promise<void> {
  const packed = await compress(Buffer.from(paths.join('\n'), 'latin1'));
  await database.query(
    'insert into file_lists (package_id, count, paths) values ($1, $2, $3) on conflict do nothing',
    [packageId, paths.length, packed],
  );
}

interface Place {
  database: Queryable;
  pool: string;
  log: Logger;
}

/**
 * The lists of packages whose files lie in `pool`; one that cannot be read is taken for empty, and logged. Indexes
 * that are made at the same time take turns: a connection carries out one query after the other.
 */
export function fileListsFrom(at: Place): FileLists {
  let turn: Promise<unknown> = Promise.resolve();
  return (ids) => {
    const lists = turn.then(() => readLists(at, ids));
    turn = lists.catch(() => undefined);
    return lists;
  };
}

async function readLists(at: Place, ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await at.database.query<{ id: string; paths: Buffer }>(
    'select package_id as id, paths from file_lists where package_id = any($1::bigint[])',
    [ids],
  );
  const lists = new Map<string, readonly string[]>();
  for (const { id, paths } of rows) lists.set(id, await unpack(paths));
  const missing = ids.filter((id) => !lists.has(id));
  if (missing.length > 0) await readMissing(at, missing, lists);
  return lists;
}

async function unpack(packed: Buffer): Promise<string[]> {
  const text = (await decompress(packed, { maxOutputLength: MAX_LIST_BYTES })).toString('latin1');
  return text === '' ? [] : text.split('\n');
}

async function readMissing(
  { database, pool, log }: Place,
  ids: readonly string[],
  lists: Map<string, readonly string[]>,
): Promise<void> {
  const { rows } = await database.query<{ id: string; kind: string; files: string[] }>(
    'select id, kind, files from packages where id = any($1::bigint[])',
    [ids],
  );
  for (const { id, kind, files } of rows) {
    try {
      const paths = await readList(
        kind,
        files.map((file) => joinInside(pool, file)),
      );
      await recordFileList(database, id, paths);
      lists.set(id, paths);
    } catch (error) {
      const name = path.basename(files[0] ?? '');
      log.warn({ package: name, reason: messageOf(error) }, 'not in Contents: its files cannot be read');
    }
  }
}

async function readList(kind: string, files: readonly string[]): Promise<string[]> {
  if (kind === 'source') return readSourceList(files);
  const [file = ''] = files;
  return readFileList(file, (await stat(file)).size);
}
