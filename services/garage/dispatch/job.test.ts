import { expect, test } from 'vitest';
import { completeCommon, productSchema } from '../../../shared/config/common.ts';
import { garageSection } from '../config.ts';
import type { Garage } from '../context.ts';
import { makeJob } from './job.ts';
import type { AttemptRow } from './rows.ts';

const KEYRING = '/usr/share/keyrings/archive.gpg';
const archive = { uris: ['http://archive.example.org/debian'], components: ['main'], keyring: KEYRING };
const devel = { uris: ['http://live.example.org/devel'], suites: ['x'], components: ['main'], key: 'KEY' };

async function garageWith(product: Record<string, unknown>): Promise<Garage> {
  const parsed = productSchema.parse({
    architectures: ['amd64', 'i386'],
    sources: [
      { ...archive, suites: ['x'] },
      { ...archive, suites: ['x-security'], architectures: ['amd64'] },
    ],
    ...product,
  });
  const common = await completeCommon({ name: 'Test', products: { x: parsed } });
  return { common, config: garageSection.parse({}) } as Garage;
}

function attemptOn(architecture: string, keepFailedS = 0): AttemptRow {
  const files = [{ name: 'aa_1.dsc', size: 1, sha256: '0'.repeat(64) }];
  return {
    ...{ id: '00000000-0000-4000-8000-000000000000', slot: 0, product: 'x', architecture, keepFailedS },
    ...{ source: 'aa', version: '1', dsc: 'aa_1.dsc', files, binaries: 'any', host: { maxBuildS: null } },
  } as AttemptRow;
}

const suites = (job: Awaited<ReturnType<typeof makeJob>>): string[] =>
  job.base.sources.flatMap((each) => each.suites);

test('a source serves the architectures that it names, and all without', async () => {
  const garage = await garageWith({});
  expect(suites(await makeJob(garage, attemptOn('amd64'), 'test', devel))).toEqual(['x', 'x-security']);
  expect(suites(await makeJob(garage, attemptOn('i386'), 'test', devel))).toEqual(['x']);
});

test("a product's own repositories come after its queue, with their pins", async () => {
  const pin = { priority: 990, packages: ['libfoo*'], release: 'o=Example' };
  const extra = { ...archive, uris: ['http://extra.example.org/'], suites: ['y'], pin };
  const only = { ...extra, suites: ['z'], architectures: ['i386'] };
  const garage = await garageWith({ extraSources: [extra, only] });
  const job = await makeJob(garage, attemptOn('amd64'), 'test', devel);
  expect(job.extraSources).toEqual([devel, extra]);
  expect((await makeJob(garage, attemptOn('i386'), 'test', devel)).extraSources).toHaveLength(3);
});

test('limits, cache and keeping are as configured', async () => {
  const garage = await garageWith({ keepFailedS: 60 });
  const job = await makeJob(garage, attemptOn('amd64'), 'test', devel);
  expect(job).toMatchObject({
    limits: { silenceS: 9000, memoryBytes: 2 ** 34, processes: 4096, minFreeBytes: 2 ** 30 },
    packageCache: { maxBytes: 2 ** 32 },
    keepFailedS: 60,
  });
  expect((await makeJob(garage, attemptOn('amd64', 3600), 'test', devel)).keepFailedS).toBe(3600);
  const bare = await makeJob(await garageWith({ packageCacheBytes: 0 }), attemptOn('amd64'), 'test', devel);
  expect(bare).not.toHaveProperty('packageCache');
  expect(bare).not.toHaveProperty('keepFailedS');
});
