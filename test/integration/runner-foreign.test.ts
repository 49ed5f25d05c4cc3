/**
 * A second architecture for real: i386 programs run on amd64 kernels. Its base is fetched and made on a cold
 * machine, a minute or more, so this belongs to the long form (`npm run test:long`).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { machineSources } from '../../shared/config/machine.ts';
import { runChecked } from '../../shared/process/run.ts';
import { RunnerHarness } from '../support/runner-harness.ts';
import { makeSourcePackage } from '../support/source-package.ts';

const TIMEOUT_MS = 600_000;
const isLong = process.env['AUTOBUILDER_LONG'] !== undefined && process.arch === 'x64';

let runner: RunnerHarness;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-foreign-'));
  runner = await RunnerHarness.open();
});

afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

async function field(deb: string, name: string): Promise<string> {
  const { stdout } = await runChecked(['dpkg-deb', '--field', deb, name]);
  return stdout.toString('utf8').trim();
}

/** The class of the ELF file that a package installs: 1 for 32 bits, 2 for 64. */
async function elfClass(deb: string): Promise<number> {
  const folder = await mkdtemp(path.join(scratch, 'unpacked-'));
  await runChecked(['dpkg-deb', '--extract', deb, folder]);
  const { stdout } = await runChecked(['head', '-c', '5', path.join(folder, 'usr/bin/greeter')]);
  expect(stdout.subarray(0, 4).toString('latin1')).toBe('\u007fELF');
  return stdout[4] ?? 0;
}

test.runIf(isLong)(
  'one source for two architectures, each in a system of its own',
  async () => {
    const source = await makeSourcePackage('greeter', { outDir: path.join(scratch, 'greeter') });
    // What a product's `architectures` of a source do: some mirrors have no security updates for i386.
    const sources = (await machineSources()).filter(
      ({ suites }) => !suites.some((each) => each.includes('security')),
    );
    for (const [architecture, bits, slot] of [
      ['amd64', 2, 40],
      ['i386', 1, 41],
    ] as const) {
      const id = await runner.buildAttempt(source, 'any', {
        architecture,
        sources,
        slot,
        timeoutS: 540,
        packageCache: { maxBytes: 2 ** 32 },
      });
      const { result } = await runner.toSuccess(id);
      const deb = result.files.find((file) => file.name.endsWith('.deb'))!.name;
      expect(deb).toContain(`_${architecture}.deb`);
      const file = path.join(runner.folder(id), 'results', deb);
      expect(await field(file, 'Architecture')).toBe(architecture);
      expect(await elfClass(file)).toBe(bits);
      const install = await runner.installAttempt(['dpkg'], ['dpkg', '--print-architecture'], {
        architecture,
        sources,
        slot,
      });
      const { log } = await runner.toSuccess(install);
      expect(log).toContain(`\n${architecture}\n`);
    }
  },
  TIMEOUT_MS,
);

test.runIf(isLong)(
  'an architecture that does not run there is named',
  async () => {
    const source = await makeSourcePackage('greeter', { outDir: path.join(scratch, 'nowhere') });
    const id = await runner.buildAttempt(source, 'any', { architecture: 'sh4', slot: 42 });
    const { result } = await runner.toEnd(id);
    expect(result).toMatchObject({ exitClass: 'machine', stage: 'prep' });
    expect(result.message).toContain('sh4 can neither be executed natively');
  },
  TIMEOUT_MS,
);
