/** What a build sees is the same wherever and whenever it runs, but for what its product sets. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RunnerHarness, type Overrides } from '../support/runner-harness.ts';
import { makeSourcePackage } from '../support/source-package.ts';

vi.setConfig({ testTimeout: 180_000 });

let runner: RunnerHarness;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-environment-'));
  runner = await RunnerHarness.open();
});

afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

interface Seen {
  log: string;
  /** Names and values of the build's environment. */
  environment: Record<string, string>;
}

async function look(overrides: Overrides): Promise<Seen> {
  const source = await makeSourcePackage('prints-environment', {
    outDir: path.join(scratch, 'source'),
    version: '1.5',
  });
  const { log } = await runner.toSuccess(await runner.buildAttempt(source, 'all', overrides));
  const lines = [...log.matchAll(/^env: (\w+)=(.*)$/gm)];
  return { log, environment: Object.fromEntries(lines.map(([, name, value]) => [name, value])) };
}

test('folder, umask, user, host, locale and date are fixed', async () => {
  const { log, environment } = await look({ slot: 15 });
  expect(log).toMatch(/^folder=\/build\/prints-environment-1\.5 umask=0022 user=builder host=target$/m);
  const [, epoch, changelog] = /^epoch=(\d+) changelog=(\d+)$/m.exec(log) ?? [];
  expect(epoch).toBe(changelog);
  expect(epoch).toBe('1704067200');
  expect(environment).toMatchObject({ LC_ALL: 'C.UTF-8', HOME: '/nonexistent', USER: 'builder' });
  expect(environment['DEB_BUILD_OPTIONS']).toBe(`parallel=${String(os.cpus().length)}`);
  expect(environment['DEB_BUILD_PROFILES'] ?? '').toBe('');
  const strange = Object.keys(environment).filter(
    (name) => !/^(DEB_|MAKE|MFLAGS|SOURCE_DATE_EPOCH$|DPKG_|DH_)/.test(name),
  );
  const known = ['HOME', 'LC_ALL', 'LOGNAME', 'OLDPWD', 'PATH', 'PWD', 'SHLVL', 'USER', '_'];
  const flags = /^(C|CPP|CXX|OBJC|OBJCXX|F|FC|GCJ|LD|D|AS)FLAGS$/;
  const own = ['DEBIAN_FRONTEND'];
  expect(strange.filter((name) => ![...known, ...own].includes(name) && !flags.test(name))).toEqual([]);
});

test('options and profiles are those of the product', async () => {
  const { environment } = await look({
    slot: 15,
    buildOptions: ['nocheck', 'parallel=1'],
    buildProfiles: ['nodoc', 'noudeb'],
  });
  expect(environment['DEB_BUILD_OPTIONS']).toBe('nocheck parallel=1');
  expect(environment['DEB_BUILD_PROFILES']).toBe('nodoc noudeb');
});
