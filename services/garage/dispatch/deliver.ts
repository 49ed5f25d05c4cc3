/** Brings an attempt to its host; every step may be repeated. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Home } from '../../../shared/config/home.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { pushFile } from '../../../shared/ssh/remote-files.ts';
import { JobFault } from './faults.ts';
import { makeFolder, type Remote } from './remote.ts';
import type { AttemptRow } from './rows.ts';

/** Where an attempt lies on its host. */
export function remoteFolder(remote: Remote, instance: string, attemptId: string): string {
  return `${remote.host.workdir}/attempts/${instance}/${attemptId}`;
}

/**
 * Pushes source and job, in this order: a folder with a job.json has everything. Throws JobFault for a
 * source file that is gone.
 */
export async function deliver(
  remote: Remote,
  home: Home,
  attempt: AttemptRow,
  job: BuildJob,
  folder: string,
): Promise<void> {
  await makeFolder(remote, `${folder}/source`);
  const files = await remote.connection.files();
  const sources = joinInside(home.root, attempt.sourceDirectory);
  for (const { name, size } of attempt.files) {
    const file = path.join(sources, name);
    const found = await stat(file).catch(() => null);
    if (found?.size !== size) throw new JobFault(`Source file '${name}' is not there as it was accepted`);
    await pushFile(files, { file, size }, `${folder}/source/${name}`);
  }
  await pushFile(files, Buffer.from(JSON.stringify(job, null, 2)), `${folder}/job.json`);
}
