/**
 * A mirror as what a base is made from, by mmdebstrap over HTTP and by Signed-By alone. The short form is a small archive
 * of our own; the long one (AUTOBUILDER_LONG) takes what a base needs out of the machine's own archive.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { machineArchitecture, machineCodename, machineSources } from '../../shared/config/machine.ts';
import { run, type RunResult } from '../../shared/process/run.ts';
import { MirrorBench } from './mirror-support.ts';
import { commandLine, type Ended } from './repository-command-line.ts';
import { serveLive } from './repository-support.ts';

/** A base's packages come over the net in the long form. */
const LONG_MS = 900_000;
const bench = new MirrorBench();

const mirror = (...args: string[]): Promise<Ended> => commandLine(bench.repository, ['mirror', ...args]);

/** Makes a system from the mirror `up` in `folder`. */
async function makeBase(
  folder: string,
  wanted: { suite: string; variant: string; include: string[] },
): Promise<RunResult> {
  const live = await serveLive(bench.repository);
  try {
    const line = `deb [signed-by=${bench.file('mirror-key.gpg')}] ${live.url}/mirror/up ${wanted.suite} main`;
    const options = [
      `--variant=${wanted.variant}`,
      '--mode=root',
      `--architectures=${await machineArchitecture()}`,
    ];
    const include = wanted.include.length > 0 ? [`--include=${wanted.include.join(',')}`] : [];
    return await run(['mmdebstrap', ...options, ...include, wanted.suite, folder, line], {
      timeoutMs: LONG_MS,
    });
  } finally {
    await live.server.close();
  }
}

test('mmdebstrap takes a system out of a filtered mirror', async () => {
  const architecture = await machineArchitecture();
  await bench.archive.add({ name: 'left-out', architecture });
  await bench.archive.publish();
  const keyring = await bench.archive.keyring(bench.at('upstream.gpg'));
  const filter = ['--package', 'hello', '--with-dependencies'];
  await mirror('add', 'up', bench.server.url, 'stable', '--keyring', keyring, ...filter);
  expect(await mirror('update', 'up')).toMatchObject({ code: 0 });
  const folder = bench.at('base');
  const made = await makeBase(folder, { suite: 'stable', variant: 'extract', include: ['hello'] });
  expect(made.stderr.toString()).not.toMatch(/^E:/m);
  expect(made.code).toBe(0);
  expect(await bench.pool()).toHaveLength(2);
  for (const name of ['hello', 'libhello']) {
    expect((await readFile(path.join(folder, 'usr/share/doc', name, 'content'))).length).toBe(64);
  }
  await expect(stat(path.join(folder, 'usr/share/doc/left-out'))).rejects.toThrow('ENOENT');
  await rm(folder, { recursive: true });
});

test.runIf(process.env['AUTOBUILDER_LONG'] !== undefined)(
  'a base comes out of a mirror of the machine’s archive, and the next update fetches nothing',
  async () => {
    const suite = await machineCodename();
    const source = (await machineSources()).find(({ suites }) => suites.includes(suite));
    const wanted = ['--priority', 'required', '--also', 'apt', '--also', 'hello', '--with-dependencies'];
    const limits = [
      '--component',
      'main',
      '--architecture',
      await machineArchitecture(),
      '--language',
      'none',
    ];
    const keyring = ['--keyring', source?.keyring ?? ''];
    const added = await mirror('add', 'up', source?.uris[0] ?? '', suite, ...keyring, ...limits, ...wanted);
    expect(added).toMatchObject({ code: 0 });
    const updated = await mirror('update', 'up');
    expect(updated.err).not.toContain('error');
    const { files, unmet } = await bench.mirror();
    expect(files).toBeGreaterThan(50);
    expect(unmet).toEqual([]);
    const folder = bench.at('base');
    const made = await makeBase(folder, { suite, variant: 'apt', include: ['hello'] });
    expect(made.stderr.toString()).not.toMatch(/^E:/m);
    expect(made.code).toBe(0);
    const greeting = await run(['chroot', folder, 'hello', '--greeting=made from a mirror']);
    expect(greeting.stdout.toString()).toBe('made from a mirror\n');
    await rm(folder, { recursive: true });
    const again = await mirror('update', 'up', '--json');
    expect(JSON.parse(again.out)).toMatchObject([{ isChanged: false, fetchedFiles: 0 }]);
  },
  LONG_MS,
);
