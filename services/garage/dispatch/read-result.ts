import { result as resultSchema, type Result } from '../../../shared/protocol/job.ts';
import { readSmallFile } from '../../../shared/ssh/remote-files.ts';
import { HostFault } from './faults.ts';
import { parseJson, type Remote } from './remote.ts';

/** Thousands of files with their sums fit. */
const MAX_RESULT_BYTES = 4 * 1024 * 1024;

/** What the runner says became of a job. Throws HostFault for what is not in the form, or another job's. */
export async function readResult(
  remote: Remote,
  folder: string,
  jobId: string,
): Promise<{ result: Result; text: Buffer }> {
  const text = await readSmallFile(
    await remote.connection.files(),
    `${folder}/result.json`,
    MAX_RESULT_BYTES,
  );
  if (text === null) throw new HostFault('The runner ended without a result');
  const parsed = resultSchema.safeParse(parseJson(text));
  if (!parsed.success) throw new HostFault('result.json is not what a runner writes', parsed.error);
  if (parsed.data.attempt !== jobId) throw new HostFault("result.json is another attempt's");
  return { result: parsed.data, text };
}
