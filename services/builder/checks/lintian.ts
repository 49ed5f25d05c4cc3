/** Check `lintian`: Debian's own checker over source and packages, of the release that they are for. */
import type { CheckJob } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { pathOf, type CheckRoom } from './room.ts';
import { failed, passed, type Verdict } from './verdict.ts';

/** lintian(1), exit status: a tag of --fail-on was found. */
const FOUND = 2;
const TAG = /^([EWIPXCO]): .+$/gm;
const WORDS: Record<string, string> = { E: 'errors', W: 'warnings' };

/** `3 errors, 1 warnings`, worst first, in the order that lintian's letters have. */
function countTags(tags: string[]): string {
  const counted = Object.entries(WORDS).map(([letter, word]) => {
    const count = tags.filter((tag) => tag.startsWith(`${letter}:`)).length;
    return `${count} ${word}`;
  });
  return counted.join(', ');
}

export async function checkLintian(job: CheckJob, room: CheckRoom): Promise<Verdict> {
  const target = await room.open();
  const binaries = job.packages.filter((name) => /\.u?deb$/.test(name));
  const files = [...(job.dsc === undefined ? [] : [job.dsc]), ...binaries].map(pathOf);
  const { code, tail } = await target.exec(
    ['lintian', `--fail-on=${job.failOn.join(',')}`, '--tag-display-limit=0', '--', ...files],
    { user: 'builder', network: false, cwd: '/tmp', env: { HOME: '/tmp' } },
  );
  const tags = [...tail.matchAll(TAG)].map(([line]) => line);
  // Errors first, as long as their letters are in this order.
  const sorted = tags.toSorted((a, b) => 'EWIPXCO'.indexOf(a[0] ?? '') - 'EWIPXCO'.indexOf(b[0] ?? ''));
  const note = `Lintian found ${countTags(tags)}`;
  if (code === 0) return passed(note, sorted);
  if (code === FOUND) return failed(`${note}: ${sorted[0] ?? 'see the log'}`, sorted);
  throw jobFailure('machine', `lintian ended with ${String(code)}`);
}
