import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choose, isMeant, matchesGlob } from './filter.ts';
import type { BinaryStanza } from './stanzas.ts';

function stanza(name: string, more: Partial<BinaryStanza> = {}): BinaryStanza {
  return {
    ...{ name, version: '1', architecture: 'amd64', source: name, sourceVersion: '1', section: 'net' },
    ...{ priority: 'optional', preDepends: '', depends: '', provides: '' },
    file: { path: `pool/${name}.deb`, size: 1, checksum: `sha256:${'a'.repeat(64)}` },
    ...more,
  };
}
const filter = (more: Partial<Parameters<typeof isMeant>[0]>): Parameters<typeof isMeant>[0] => ({
  ...{ packages: [], sections: [], priorities: [], also: [], withDependencies: true },
  ...more,
});
const chosen = (packages: BinaryStanza[], ...globs: string[]) =>
  choose(packages, filter({ packages: globs }));
const names = (keys: Set<string>): string[] => [...keys].map((key) => key.split(' ')[0] ?? '').sort();

describe('globs', () => {
  it('mean what the pattern of the same meaning means', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(glob, letters, (pattern, name) => {
        const same = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesGlob(pattern, name)).toBe(same.test(name));
      }),
    );
  });
});

describe('a filter', () => {
  it('takes what every criterion means', () => {
    const net = { name: 'curl', section: 'contrib/net', priority: 'optional' };
    expect(isMeant(filter({ sections: ['net'] }), net)).toBe(true);
    expect(isMeant(filter({ sections: ['contrib/net'], packages: ['c*'] }), net)).toBe(true);
    expect(isMeant(filter({ sections: ['net'], packages: ['w*'] }), net)).toBe(false);
    expect(isMeant(filter({ priorities: ['required'] }), net)).toBe(false);
    expect(isMeant(filter({ priorities: ['required'], also: ['curl'] }), net)).toBe(true);
    expect(isMeant(filter({ also: ['wget'] }), net)).toBe(false);
  });

  it('follows dependencies: the first alternative that is there, the newest version that is allowed', () => {
    const packages = [
      stanza('a', { depends: 'missing | b (>= 2), c (<< 2)', preDepends: 'd' }),
      ...[stanza('b'), stanza('b', { version: '2' }), stanza('b', { version: '3' })],
      ...[stanza('c'), stanza('c', { version: '2' }), stanza('d', { depends: 'a' }), stanza('e')],
    ];
    const { keys, unmet } = chosen(packages, 'a');
    expect([...keys].sort()).toEqual(['a 1 amd64', 'b 3 amd64', 'c 1 amd64', 'd 1 amd64']);
    expect(unmet).toEqual([]);
  });

  it('finds providers, the more important first, and keeps to one that is chosen already', () => {
    const packages = [
      stanza('a', { depends: 'mailer' }),
      stanza('exim', { provides: 'mailer' }),
      stanza('postfix', { provides: 'mailer', priority: 'standard' }),
      stanza('old', { provides: 'lib (= 1)' }),
      stanza('wants-new', { depends: 'lib (>= 2)' }),
    ];
    expect(names(chosen(packages, 'a').keys)).toEqual(['a', 'postfix']);
    expect(names(chosen(packages, 'a', 'exim').keys)).toEqual(['a', 'exim']);
    expect(chosen(packages, 'wants-new').unmet).toEqual(['wants-new: lib (>= 2)']);
  });

  it('takes no dependencies unless asked to', () => {
    const packages = [stanza('a', { depends: 'b' }), stanza('b')];
    const { keys } = choose(packages, filter({ packages: ['a'], withDependencies: false }));
    expect(names(keys)).toEqual(['a']);
  });
});
