/** The source files that garage copied, checked again: a transfer can be cut short. */
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { hashFile } from '../../../shared/files/hash-file.ts';
import type { CheckJob, BuildJob } from '../../../shared/protocol/job.ts';
import { jobFailure } from './failure.ts';

/** Throws a `machine` failure when a file is missing or differs from what the job says. */
export async function checkSource(folder: string, job: Pick<BuildJob | CheckJob, 'files'>): Promise<void> {
  for (const expected of job.files) {
    const file = path.join(folder, expected.name);
    const info = await lstat(file).catch(() => null);
    if (!info?.isFile()) throw jobFailure('machine', `source/${expected.name} did not arrive`);
    const { size, sums } = await hashFile(file, ['sha256']);
    if (size !== expected.size || sums['sha256'] !== expected.sha256) {
      throw jobFailure('machine', `source/${expected.name} arrived damaged`);
    }
  }
}
