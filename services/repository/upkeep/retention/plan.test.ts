import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ARCHITECTURES,
  brokenByDose,
  closed,
  randomArchive,
  type RandomPackage,
} from '../../../../test/support/random-archive.ts';
import { builtUsingOf } from '../needed.ts';
import { planRetention, type Verdict } from './plan.ts';
import { versionKey, type KeepRule } from './slices.ts';

const LONG = process.env['AUTOBUILDER_LONG'] === '1';
const DAY_MS = 24 * 3600_000;
const START = Date.UTC(2026, 0, 1);

/** `hello 2 amd64` with fields; version n came on day n. */
function made(text: string, fields: Record<string, string> = {}): RandomPackage {
  const [name = '', version = '', architecture = 'amd64'] = text.split(' ');
  const kind = architecture === 'source' ? 'source' : 'deb';
  const stanza = Object.entries({ Package: name, Version: version, Architecture: 'any', ...fields })
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('');
  return {
    ...{
      id: text,
      kind,
      name,
      version,
      architecture,
      source: fields['Source'] ?? name,
      sourceVersion: version,
    },
    ...{ since: new Date(START + Number(version) * DAY_MS), stanza },
  };
}

function plan(
  packages: readonly RandomPackage[],
  rule: Partial<KeepRule> = {},
  more: { later?: Map<string, string>; day?: number } = {},
): Promise<Verdict[]> {
  return planRetention({
    packages,
    rule: { versions: 1, days: 0, ...rule },
    now: new Date(START + (more.day ?? 100) * DAY_MS),
    later: more.later ?? new Map(),
    stanzas: () => Promise.resolve(new Map(packages.map((each) => [each.id, each.stanza]))),
    architectures: ARCHITECTURES,
  });
}

/** `hello 1 amd64: why` of each older version, those that leave first in brackets. */
async function told(...args: Parameters<typeof plan>): Promise<string[]> {
  const verdicts = await plan(...args);
  return verdicts.map(({ source, sourceVersion, architecture, leaves, reason }) =>
    leaves
      ? `(${source} ${sourceVersion} ${architecture})`
      : `${source} ${sourceVersion} ${architecture}: ${reason}`,
  );
}

const three = ['1', '2', '3'].flatMap((version) => [
  made(`hello ${version} source`),
  made(`hello ${version}`),
]);

describe('the rule', () => {
  test('keeps so many versions of each architecture: one that lags keeps its own, and the source of it', async () => {
    const packages = [...three, made('hello 1 i386')];
    expect(await told(packages, { versions: 2 })).toEqual([
      'hello 2 source: of the newest 2',
      'hello 1 source: its binaries for i386 stay',
      'hello 2 amd64: of the newest 2',
      '(hello 1 amd64)',
    ]);
  });

  test('lets go of an architecture that newer versions are not built for, as if they were', async () => {
    const narrow = (version: string): RandomPackage => ({
      ...made(`hello ${version} source`),
      builtFor: ['amd64', 'all'],
    });
    const packages = [made('hello 1 i386'), made('hello 2 amd64'), narrow('2'), made('hello 3'), narrow('3')];
    expect(await told(packages, { versions: 3 })).toContain('hello 1 i386: of the newest 3');
    expect(await told(packages, { versions: 2 })).toContain('(hello 1 i386)');
    expect(await told(packages, { days: 99 }, { day: 100 })).toContain(
      'hello 1 i386: a newer version came less than 99 days ago',
    );
  });

  test('keeps an older one so many days after the newer came', async () => {
    expect(await told(three, { days: 5 }, { day: 7.5 })).toEqual([
      'hello 2 source: a newer version came less than 5 days ago',
      '(hello 1 source)',
      'hello 2 amd64: a newer version came less than 5 days ago',
      '(hello 1 amd64)',
    ]);
  });

  test('keeps what a later queue holds in that version', async () => {
    const later = new Map([[versionKey({ source: 'hello', sourceVersion: '1' }), 'stable']]);
    expect(await told(three, {}, { later })).toEqual([
      '(hello 2 source)',
      'hello 1 source: stable holds this version',
      '(hello 2 amd64)',
      'hello 1 amd64: stable holds this version',
    ]);
  });
});

const stays = (who: string, why: string): string[] => [`lib 1 amd64: ${who} on amd64 needs it (${why})`];

describe('what others need stays', () => {
  const libs = [made('lib 1'), made('lib 2')];

  test.each<[Record<string, string>, string]>([
    [{ Depends: 'lib (= 1)' }, 'lib (= 1)'],
    [{ 'Pre-Depends': 'lib (<< 2)' }, 'lib (<< 2)'],
    [{ Depends: 'none (>= 3) | lib (<= 1)' }, 'none (>= 3) | lib (<= 1)'],
  ])('%o', async (fields, why) => {
    expect(await told([...libs, made('app 1', fields)])).toEqual(stays('app 1', why));
  });

  test('as the only one that provides a name', async () => {
    const old = made('lib 1', { Provides: 'lib-api (= 7)' });
    const app = made('app 1', { Depends: 'lib-api (>= 7)' });
    expect(await told([old, made('lib 2'), app])).toEqual(stays('app 1', 'lib-api (>= 7)'));
    const other = made('other 1', { Provides: 'lib-api (= 8)' });
    expect(await told([old, made('lib 2'), app, other])).toEqual(['(lib 1 amd64)']);
    const unversioned = made('other 1', { Provides: 'lib-api' });
    expect(await told([old, made('lib 2'), app, unversioned])).toEqual(stays('app 1', 'lib-api (>= 7)'));
  });

  test('for the build of a source; for all architectures as arch:all; not for what leaves itself', async () => {
    const source = made('app 1 source', { 'Build-Depends': 'lib (= 1)' });
    expect(await told([...libs, source])).toEqual(stays('app 1', 'lib (= 1)'));
    const all = [made('data 1 all'), made('data 2 all'), made('app 1 i386', { Depends: 'data (= 1)' })];
    expect(await told(all)).toEqual(['data 1 all: app 1 on i386 needs it (data (= 1))']);
    const chain = [...libs, made('app 1', { Depends: 'lib (= 1)' }), made('app 2')];
    expect(await told(chain)).toEqual(['(app 1 amd64)', '(lib 1 amd64)']);
  });

  test('when the newer one clashes with what else is needed, and when it was built in', async () => {
    const clash = [made('lib 1'), made('lib 2', { Conflicts: 'tool' }), made('tool 1')];
    expect(await told([...clash, made('app 1', { Depends: 'lib, tool' })])).toEqual([
      'lib 1 amd64: app 1 on amd64 needs it',
    ]);
    const built = [made('s 1 source'), made('s 2 source'), made('app 1', { 'Built-Using': 's (= 1)' })];
    expect(await told(built)).toEqual(['s 1 source: Built-Using of app 1']);
  });

  test('and what these need in turn', async () => {
    const deep = [made('deep 1'), made('deep 2'), made('lib 1', { Depends: 'deep (= 1)' }), made('lib 2')];
    expect(await told([...deep, made('app 1', { Depends: 'lib (= 1)' })])).toEqual([
      'deep 1 amd64: app 1 on amd64 needs it (lib (= 1))',
      'lib 1 amd64: app 1 on amd64 needs it (lib (= 1))',
    ]);
  });
});

test(
  'random archives: what stays and could be installed or built still can (dose3 agrees), the rule is kept',
  async () => {
    let left = 0;
    let needed = 0;
    const rules = fc.record({ versions: fc.constantFrom(1, 1, 2), days: fc.constantFrom(0, 1.5) });
    await fc.assert(
      fc.asyncProperty(randomArchive, rules, fc.nat(4), async (packages, rule, laterIndex) => {
        const first = packages[laterIndex];
        const later = new Map(first ? [[versionKey(first), 'stable']] : []);
        const verdicts = await plan(packages, rule, { later, day: 4 });
        const leaving = new Set(verdicts.filter((each) => each.leaves).flatMap((each) => each.ids));
        const staying = packages.filter((each) => !leaving.has(each.id));
        for (const architecture of ARCHITECTURES) {
          const world = closed(packages, architecture);
          const before = await brokenByDose(world, architecture);
          const rest = world.filter((each) => !leaving.has(each.id));
          const after = await brokenByDose(rest, architecture);
          expect([...after].filter((id) => !before.has(id))).toEqual([]);
        }
        const sources = new Set(staying.filter((each) => each.kind === 'source').map(versionKey));
        const known = new Set(packages.filter((each) => each.kind === 'source').map(versionKey));
        for (const each of staying) {
          expect(sources.has(versionKey(each))).toBe(true);
          for (const used of builtUsingOf(each.stanza)) {
            const key = versionKey({ source: used.source, sourceVersion: used.version });
            expect(sources.has(key)).toBe(known.has(key));
          }
        }
        expect(leaving.has(first?.id ?? '')).toBe(false);
        left += leaving.size;
        needed += verdicts.filter((each) => each.reason.includes('needs it')).length;
      }),
      // The short form has a seed, for how much of so little leaves is chance otherwise.
      LONG ? { numRuns: 500 } : { numRuns: 25, seed: 1 },
    );
    expect(left).toBeGreaterThan(20);
    expect(needed).toBeGreaterThan(20);
  },
  LONG ? 1_800_000 : 120_000,
);
