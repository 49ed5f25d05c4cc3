/** The thread in which packages are read: a batch comes, what was found goes back. */
import { workerData } from 'node:worker_threads';
import { lstatSync } from 'node:fs';
import { AppError, hasErrno, messageOf } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Candidate } from './candidate.ts';
import { stampOf } from './open-file.ts';
import { readBinary } from './read-binary.ts';
import type { ReadPackage, ReadScope } from './read-package.ts';
import { readSource } from './read-source.ts';
import { answerAll } from '../threads/thread.ts';

/** A candidate with the stamp that its file had when it was last read, '' if it never was. */
export interface ReadTask {
  candidate: Candidate;
  knownStamp: string;
}

export type ReadOutcome =
  | { status: 'unchanged' }
  | { status: 'read'; stamp: string; package: ReadPackage }
  | { status: 'refused'; stamp: string; code: string; reason: string };

/** Errors of the system that are ours or pass, never a package's. */
const OURS = ['EMFILE', 'ENFILE', 'ENOMEM', 'EIO'];
const scope = workerData as ReadScope;

async function read({ candidate, knownStamp }: ReadTask): Promise<ReadOutcome> {
  let stamp = '';
  try {
    stamp = stampOf(lstatSync(joinInside(scope.root, candidate.path), { bigint: true }));
    if (stamp === knownStamp) return { status: 'unchanged' };
    const readPackage = candidate.kind === 'source' ? readSource : readBinary;
    return { status: 'read', stamp, package: await readPackage(scope, candidate) };
  } catch (error) {
    if (hasErrno(error, ...OURS)) throw error;
    if (error instanceof AppError)
      return { status: 'refused', stamp, code: error.code, reason: error.message };
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      const reason = `Can't stat ${candidate.path}: No such file or directory`;
      return { status: 'refused', stamp, code: 'file-missing', reason };
    }
    return {
      status: 'refused',
      stamp,
      code: 'file-unreadable',
      reason: `${candidate.path} cannot be read: ${messageOf(error)}`,
    };
  }
}

/** One after the other: they share one buffer. */
async function readBatch(tasks: readonly ReadTask[]): Promise<ReadOutcome[]> {
  const outcomes: ReadOutcome[] = [];
  for (const task of tasks) outcomes.push(await read(task));
  return outcomes;
}

answerAll(readBatch);
