/**
 * Bases: `<workdir>/bases/<product>-<architecture>-<hash of the sources>` is a link to the current version
 * `...@<ms>`. A new version is made beside and the link switched by one rename; a version goes only when no
 * target uses it (each holds a shared flock on its `in-use`).
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, utimes } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { tryLockFile, withFileLock } from '../../../shared/files/lock.ts';
import { baseDigest } from '../../../shared/protocol/base-name.ts';
import type { BaseSpec } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { makeBase, makeBaseTar, type MakeContext } from './base-make.ts';
import { currentVersion, IN_USE, removeForgotten, removeUnused } from './base-versions.ts';
import { removeTree } from './userns.ts';

export interface Base {
  /** The version's own folder, with `root/`. */
  folder: string;
  root: string;
  /** Since it was made, its package lists with it. */
  ageHours: number;
  /** Path of the base as a tar, made when it is first asked for. */
  tar(): Promise<string>;
  /** Lets the version be removed. */
  release(): Promise<void>;
}

export interface BaseContext extends MakeContext {
  workdir: string;
}

/** mmdebstrap needs seconds to minutes; on a slow line with a foreign architecture perhaps half an hour. */
const LOCK_WAIT_S = 45 * 60;
/** Between reading the link and taking the lock the version can vanish; more than twice is no accident. */
const ACQUIRE_TRIES = 5;

/** The base's name below `bases/`. */
export function baseName(spec: BaseSpec): string {
  return `${spec.product}-${spec.architecture}-${baseDigest(spec)}`;
}

export function basesFolder(workdir: string): string {
  return path.join(workdir, 'bases');
}

export function ageHours(version: string): number {
  const madeMs = Number(version.slice(version.lastIndexOf('@') + 1));
  return (Date.now() - madeMs) / 3_600_000;
}

async function switchTo(link: string, version: string): Promise<void> {
  const temporary = `${link}.link`;
  await rm(temporary, { force: true });
  await symlink(version, temporary);
  await rename(temporary, link);
}

async function makeVersion(spec: BaseSpec, link: string, context: BaseContext): Promise<void> {
  const version = `${path.basename(link)}@${Date.now()}`;
  const folder = path.join(path.dirname(link), version);
  const partial = `${folder}.partial`;
  try {
    await makeBase(spec, partial, context.workdir, context);
  } catch (error) {
    await removeTree(partial);
    throw error;
  }
  await rename(partial, folder);
  await switchTo(link, version);
}

async function makeIfNeeded(spec: BaseSpec, link: string, context: BaseContext): Promise<void> {
  const version = await currentVersion(link);
  if (version !== null && ageHours(version) < spec.maxAgeHours) return;
  await removeUnused(link);
  context.log.line('It is made now');
  try {
    await makeVersion(spec, link, context);
  } catch (error) {
    if (version === null || context.signal.aborted) throw error;
    context.log.line(`W: the old base is used, since a new one could not be made: ${messageOf(error)}`);
    return;
  }
  await removeUnused(link);
  await removeForgotten(path.dirname(link));
}

async function acquire(link: string, context: BaseContext): Promise<Base> {
  for (let tries = 0; tries < ACQUIRE_TRIES; tries += 1) {
    const version = await currentVersion(link);
    if (version === null) continue;
    const folder = path.join(path.dirname(link), version);
    const lock = await tryLockFile(path.join(folder, IN_USE), 'shared').catch(() => null);
    if (lock === null) continue;
    if (existsSync(path.join(folder, 'root'))) {
      const now = new Date();
      await utimes(path.join(folder, IN_USE), now, now); // its last use
      const tar = (): Promise<string> =>
        withFileLock(`${link}.lock`, LOCK_WAIT_S, () => makeBaseTar(folder, context));
      const root = path.join(folder, 'root');
      return { folder, root, ageHours: ageHours(version), tar, release: () => lock.release() };
    }
    await lock.release();
  }
  throw jobFailure('machine', `The base ${path.basename(link)} vanishes again and again`);
}

/** A fresh base for `spec`, held until released. Throws `job-machine` when there is none and none can be made. */
export async function ensureBase(spec: BaseSpec, context: BaseContext): Promise<Base> {
  const folder = basesFolder(context.workdir);
  await mkdir(folder, { recursive: true });
  const link = path.join(folder, baseName(spec));
  const version = await currentVersion(link);
  if (version === null || ageHours(version) >= spec.maxAgeHours) {
    const what = version === null ? 'missing' : 'too old';
    context.log.line(`The base ${path.basename(link)} is ${what}; one attempt makes it, the others wait`);
    await withFileLock(`${link}.lock`, LOCK_WAIT_S, () => makeIfNeeded(spec, link, context));
  }
  return acquire(link, context);
}
