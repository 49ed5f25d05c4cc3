import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ARCHITECTURES, brokenByDose, closed, randomArchive } from '../../../test/support/random-archive.ts';
import { itemsFor, type Item } from './items.ts';
import { solve } from './solve.ts';
import { Universe } from './universe.ts';

const LONG = process.env['AUTOBUILDER_LONG'] === '1';

function universe(...stanzas: string[]): Universe {
  const packages = stanzas.map((text, index) => {
    const [name = '', version = ''] = text.split('\n')[0]?.split(' ') ?? [];
    const rest = text.split('\n').slice(1).join('\n');
    const stanza = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\n${rest}\n`;
    return { id: String(index), kind: 'deb' as const, name, version, architecture: 'amd64', stanza };
  });
  return new Universe(itemsFor('amd64', packages).debs);
}

function names(world: Universe, isLenient = false): string[] | null {
  const root = world.items[0];
  if (!root) return null;
  const found = solve(world, root, { isAllowed: () => true, isLenient });
  return found ? [...found].map((item) => `${item.name} ${item.version}`).toSorted() : null;
}

describe('one way to install', () => {
  test('takes the newest that fits, and goes back where that leads nowhere', () => {
    const world = universe('app 1\nDepends: lib, tool', 'lib 1', 'lib 2\nConflicts: tool', 'tool 1');
    expect(names(world)).toEqual(['app 1', 'lib 1', 'tool 1']);
  });

  test.each([
    ['Depends: virtual', ['app 1', 'real 1']],
    ['Depends: versioned (>= 2)', ['app 1', 'real 1']],
    ['Depends: versioned (>= 3) | real', ['app 1', 'real 1']],
    ['Depends: real:any, real [i386], outside', ['app 1', 'real 1']],
    ['Provides: own\nConflicts: own', ['app 1']],
    ['Depends: real\nBreaks: virtual', null],
    // Nothing here ever answered these: they are the distribution's.
    ['Depends: virtual (>= 1)', ['app 1']],
    ['Pre-Depends: real (>> 1)', ['app 1']],
    ['Depends: real:armhf', ['app 1']],
  ])('%s', (fields, expected) => {
    const world = universe(`app 1\n${fields}`, 'real 1\nProvides: virtual, versioned (= 2)');
    expect(names(world)).toEqual(expected);
  });

  test('leniently, the distribution may have the other alternative', () => {
    const world = universe('app 1\nDepends: lib | elsewhere', 'lib 1\nConflicts: app');
    expect(names(world)).toBeNull();
    expect(names(world, true)).toEqual(['app 1']);
  });
});

test('a knot made on purpose is given up, in time', () => {
  const count = 40;
  const knots = Array.from({ length: count }, (_, index) => `n${String(index)}`);
  const stanzas = knots.flatMap((name) =>
    [1, 2].map((v) => `${name} ${String(v)}\nConflicts: end (= ${String(v)})`),
  );
  const ends = ['end 1\nConflicts: last', 'end 2\nConflicts: last', 'last 1'];
  const world = universe(`app 1\nDepends: ${[...knots, 'last', 'end'].join(', ')}`, ...stanzas, ...ends);
  expect(solve(world, world.items[0] as Item, { isAllowed: () => true })).toBeUndefined();
});

test(
  'random archives: the same as dose3 says',
  async () => {
    let broken = 0;
    let installable = 0;
    await fc.assert(
      fc.asyncProperty(randomArchive, fc.constantFrom(...ARCHITECTURES), async (packages, architecture) => {
        const world = closed(packages, architecture);
        const expected = await brokenByDose(world, architecture);
        const { debs } = itemsFor(architecture, world);
        const all = new Universe(debs);
        const found = debs.filter((item) => !solve(all, item, { isAllowed: () => true }));
        expect(found.map((item) => item.id).toSorted()).toEqual([...expected].toSorted());
        broken += found.length;
        installable += debs.length - found.length;
      }),
      // The short form has a seed, for how many of so few are broken is chance otherwise.
      LONG ? { numRuns: 1_000 } : { numRuns: 60, seed: 1 },
    );
    expect(broken).toBeGreaterThan(20);
    expect(installable).toBeGreaterThan(200);
  },
  LONG ? 1_800_000 : 120_000,
);
