/** Check `piuparts`. */
import type { CheckJob } from '../../../shared/protocol/job.ts';
import type { CheckRoom } from './room.ts';
import { passed, type Verdict } from './verdict.ts';

export async function checkPiuparts(job: CheckJob, room: CheckRoom): Promise<Verdict> {
  const target = await room.open();
  await target.exec(['true']);
  return passed(job.check);
}
