/** Takes over what a host says it built; nothing of it is trusted. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseChanges } from '../../../shared/debian/changes.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import type { Result } from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { fetchFile } from '../../../shared/ssh/remote-files.ts';
import { checkChanges, checkPromised } from './check-changes.ts';
import { HostFault } from './faults.ts';
import { readResult } from './read-result.ts';
import type { Remote } from './remote.ts';
import type { AttemptRow } from './rows.ts';

/**
 * Fetches result.json and, for a success, all its files into `directory`, whole and checked. Throws
 * HostFault for whatever is not as it must be; the files are then not kept.
 */
export async function collect(
  remote: Remote,
  folder: string,
  attempt: AttemptRow,
  directory: string,
): Promise<Result> {
  const { result, text } = await readResult(remote, folder, attempt.id);
  await mkdir(directory, { recursive: true });
  if (result.exitClass === 'success') await fetchResults(remote, folder, attempt, directory, result.files);
  await writeFileDurably(path.join(directory, 'result.json'), text);
  return result;
}

async function fetchResults(
  remote: Remote,
  folder: string,
  attempt: AttemptRow,
  directory: string,
  promised: readonly FileEntry[],
): Promise<void> {
  try {
    const changes = checkPromised(promised);
    const files = await remote.connection.files();
    for (const file of promised) {
      const target = path.join(directory, file.name);
      if (!(await isThere(target, file))) {
        await fetchFile(files, `${folder}/results/${file.name}`, file, target);
      }
    }
    const text = await readFile(path.join(directory, changes.name), 'utf8');
    checkChanges(parseChanges(text), changes.name, promised, attempt);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    for (const { name } of promised) await rm(path.join(directory, name), { force: true });
    throw new HostFault(`The result was refused: ${error.message}`, error);
  }
}

/** What is wrong with what came, in contrast to its not coming: a disk that is full, a connection that broke. */
function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && !/^(ssh-|remote-file-failed)/.test(error.code);
}

/** Fetched by an earlier try of this step. */
async function isThere(target: string, file: FileEntry): Promise<boolean> {
  const found = await hashFile(target, ['sha256']).catch(() => null);
  return found?.size === file.size && found.sums['sha256'] === file.sha256;
}
