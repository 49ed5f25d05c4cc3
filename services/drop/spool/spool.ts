/**
 * What the logins' folders below `incoming/` can do: take files, list, remove and rename those that
 * nobody has taken yet. Every operation is given product, login and name, checked by pattern where they
 * come in, so SSH and HTTP uploads share it. Nothing here reads a file.
 */
import type { Stats } from 'node:fs';
import { link, lstat, readdir, statfs, unlink } from 'node:fs/promises';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import { assertUploadName, openPartialFile, type PartialFile } from '../../../shared/files/partial-file.ts';
import { isUploadName, spoolFile, spoolFolder } from '../../../shared/protocol/spool.ts';
import type { Limits } from '../config.ts';
import type { DropMetrics } from '../metrics.ts';

/** Where a login's file is. */
export interface Place {
  product: string;
  login: string;
}

export interface FileInfo {
  name: string;
  /** Bytes. */
  size: number;
  modified: Date;
}

export interface Spool {
  /** Starts a file; throws what `openPartialFile` throws, `file-exists` (only when asked to), `folder-full`, `too-many-uploads`, `disk-full`, `shutting-down`. */
  open(place: Place, name: string, options?: { mustBeNew?: boolean }): Promise<PartialFile>;
  /** Complete files that nobody has taken, sorted by name. */
  list(place: Place): Promise<FileInfo[]>;
  /** One complete file, or null. */
  stat(place: Place, name: string): Promise<FileInfo | null>;
  /** Throws `file-missing`. */
  remove(place: Place, name: string): Promise<void>;
  /** Within one product. Throws `file-missing`, `file-exists` (never replaces: SFTP's rule for RENAME). */
  rename(place: Place, from: string, to: string): Promise<void>;
  /** Refuses new files from now on; resolves when none is open. */
  drain(): Promise<void>;
}

export interface SpoolOptions {
  incoming: string;
  limits: Limits;
  metrics: DropMetrics;
}

export function createSpool({ incoming, limits, metrics }: SpoolOptions): Spool {
  const open = new Set<object>();
  let drained: (() => void) | undefined;

  const release = (ticket: object): void => {
    if (!open.delete(ticket)) return;
    metrics.openUploads.set(open.size);
    if (open.size === 0) drained?.();
  };

  return {
    async open(place, name, options = {}) {
      const ticket = {};
      try {
        assertUploadName(name);
        if (drained) throw new AppError('shutting-down', 'The server is restarting; try again in a minute');
        if (open.size >= limits.maxUploads) throw tooMany();
        open.add(ticket);
        metrics.openUploads.set(open.size);
        await assertRoom(incoming, place, name, limits, options.mustBeNew ?? false);
        const folder = spoolFolder(incoming, place.product, place.login);
        const file = await openPartialFile(folder, name, { maxBytes: limits.maxFileBytes });
        return counted(file, metrics, () => release(ticket));
      } catch (error) {
        release(ticket);
        metrics.uploads.inc({ result: 'refused' });
        throw error;
      }
    },
    async list(place) {
      const names = (await namesIn(spoolFolder(incoming, place.product, place.login))).filter(isUploadName);
      const infos = await Promise.all(names.sort().map((name) => infoOf(incoming, place, name)));
      return infos.filter((info) => info !== null);
    },
    stat: (place, name) => infoOf(incoming, place, name),
    async remove(place, name) {
      if (!(await infoOf(incoming, place, name))) throw missing(name);
      await orMissing(unlink(spoolFile(incoming, place.product, place.login, name)), name);
    },
    rename: (place, from, to) => renameFile(incoming, place, from, to),
    drain: () =>
      new Promise((resolve) => {
        drained = resolve;
        if (open.size === 0) resolve();
      }),
  };
}

/** A partial file that tells the metrics how it ended, exactly once. */
function counted(file: PartialFile, metrics: DropMetrics, ended: () => void): PartialFile {
  const finish = async (work: Promise<void>, result: 'complete' | 'broken'): Promise<void> => {
    let outcome: 'complete' | 'broken' = 'broken';
    try {
      await work;
      outcome = result;
    } finally {
      ended();
      metrics.uploads.inc({ result: outcome });
      if (outcome === 'complete') metrics.uploadedBytes.inc(file.size);
    }
  };
  let over = false;
  return {
    name: file.name,
    get size() {
      return file.size;
    },
    write: (chunk, position) => file.write(chunk, position),
    truncate: (size) => file.truncate(size),
    commit: async () => {
      if (over) return file.commit();
      over = true;
      return finish(file.commit(), 'complete');
    },
    abort: async () => {
      if (over) return;
      over = true;
      await finish(file.abort(), 'broken');
    },
  };
}

async function assertRoom(
  incoming: string,
  place: Place,
  name: string,
  limits: Limits,
  mustBeNew: boolean,
): Promise<void> {
  const names = await namesIn(spoolFolder(incoming, place.product, place.login));
  if (mustBeNew && names.includes(name)) throw exists(name);
  if (names.length >= limits.maxFilesPerFolder && !names.includes(name)) {
    throw new AppError(
      'folder-full',
      `More than ${String(limits.maxFilesPerFolder)} of your files wait here`,
      {
        hint: 'Remove files you no longer need, or upload the .changes that belongs to them.',
      },
    );
  }
  const { bavail, bsize } = await statfs(incoming);
  if (bavail * bsize < limits.minFreeBytes) {
    throw new AppError('disk-full', 'The server has no room left for uploads', {
      hint: 'Nothing is wrong with your file; tell the administrator and try again later.',
    });
  }
}

/** link(2) and unlink(2), since rename(2) would replace a file that came in between. */
async function renameFile(incoming: string, place: Place, from: string, to: string): Promise<void> {
  assertUploadName(to);
  if (!(await infoOf(incoming, place, from))) throw missing(from);
  if (from === to) return;
  const source = spoolFile(incoming, place.product, place.login, from);
  try {
    await link(source, spoolFile(incoming, place.product, place.login, to));
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) throw exists(to);
    if (hasErrno(error, 'ENOENT')) throw missing(from);
    throw error;
  }
  await unlink(source).catch((error: unknown) => {
    if (!hasErrno(error, 'ENOENT')) throw error;
  });
  await fsyncDirectory(spoolFolder(incoming, place.product, place.login));
}

async function infoOf(incoming: string, place: Place, name: string): Promise<FileInfo | null> {
  let stats: Stats;
  try {
    stats = await lstat(spoolFile(incoming, place.product, place.login, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null; // taken, or never there
    throw error;
  }
  return stats.isFile() ? { name, size: stats.size, modified: stats.mtime } : null;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function orMissing(work: Promise<void>, name: string): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw hasErrno(error, 'ENOENT') ? missing(name) : error;
  }
}

function missing(name: string): AppError {
  return new AppError('file-missing', `There is no file '${name}'; it may have been taken for processing`);
}

function exists(name: string): AppError {
  return new AppError('file-exists', `A file '${name}' is already there`, {
    hint: 'Remove it first.',
  });
}

function tooMany(): AppError {
  return new AppError('too-many-uploads', 'Too many files are arriving at once', {
    hint: 'Try again in a moment.',
  });
}
