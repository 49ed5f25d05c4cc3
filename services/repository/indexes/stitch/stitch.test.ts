import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StitchJob } from './run-job.ts';
import { stitch } from './stitch.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-stitch-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const MB = 1024 * 1024;

/** A job on `old`: its first third stays, the second goes, something new comes, the last third stays. */
async function makeJob(name: string, old: Buffer): Promise<{ job: StitchJob; wanted: Buffer }> {
  const source = path.join(folder, `${name}.old`);
  await writeFile(source, old);
  const third = Math.floor(old.length / 3);
  const put = Buffer.from('something new');
  const job: StitchJob = {
    source,
    operations: [
      { keep: { from: 0, length: third } },
      { drop: { from: third, length: third } },
      { put },
      { keep: { from: 2 * third, length: old.length - 2 * third } },
    ],
    expected: sha256(old),
    target: path.join(folder, name),
    dateMs: 1_700_000_000_000,
    withMd5: true,
  };
  return { job, wanted: Buffer.concat([old.subarray(0, third), put, old.subarray(2 * third)]) };
}

describe.each([
  ['little', 1_000],
  ['much', 7 * MB],
])('stitching %s', (where, size) => {
  const old = Buffer.alloc(size, 'all kinds of things, 0123456789 ');

  it('writes what stays and what comes, dated, and says its sums', async () => {
    const { job, wanted } = await makeJob(`${where}-good`, old);
    const sums = await stitch(job);
    expect((await readFile(job.target!)).equals(wanted)).toBe(true);
    const md5 = createHash('md5').update(wanted).digest('hex');
    expect(sums).toEqual({ size: wanted.length, sha256: sha256(wanted), md5 });
    expect((await stat(job.target!)).mtimeMs).toBe(job.dateMs);
  });

  it('refuses an old file with another byte, kept or dropped, or too few', async () => {
    for (const at of [0, Math.floor(old.length / 2), old.length - 1]) {
      const { job } = await makeJob(`${where}-bad`, old);
      const other = Buffer.from(old);
      other[at] = 0;
      await writeFile(job.source!, other);
      await expect(stitch(job)).rejects.toMatchObject({ code: 'index-stale' });
    }
    const { job } = await makeJob(`${where}-short`, old);
    await writeFile(job.source!, old.subarray(0, old.length - 1));
    await expect(stitch(job)).rejects.toMatchObject({ code: 'index-stale' });
    await rm(job.source!);
    await expect(stitch(job)).rejects.toMatchObject({ code: 'index-stale' });
  });

  it('tells when the new file cannot be written', async () => {
    const { job } = await makeJob(`${where}-full`, old);
    await expect(stitch({ ...job, target: '/dev/full' })).rejects.toMatchObject({ code: 'ENOSPC' });
  });
});

describe('many jobs', () => {
  it('are all done, more than run at once', async () => {
    const old = Buffer.alloc(3 * MB, 'x');
    const jobs = await Promise.all(Array.from({ length: 6 }, (_, at) => makeJob(`many-${String(at)}`, old)));
    const sums = await Promise.all(jobs.map(({ job }) => stitch(job)));
    expect(new Set(sums.map((each) => each.sha256))).toEqual(new Set([sha256(jobs[0]!.wanted)]));
  });
});
