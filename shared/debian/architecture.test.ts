import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { architecturesToBuild, matchesArchitecture } from './architecture.ts';

/** One perl for all pairs: what `dpkg-architecture -a.. -i..` calls, without a process for each. */
function askDpkg(pairs: [string, string][]): boolean[] {
  const script =
    'use Dpkg::Arch qw(debarch_is); while (<STDIN>) { chomp; my ($r, $w) = split / /; print debarch_is($r, $w) ? 1 : 0, "\\n" }';
  const input = pairs.map((pair) => `${pair.join(' ')}\n`).join('');
  const { stdout, status } = spawnSync('perl', ['-e', script], { input, encoding: 'utf8' });
  expect(status).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((word) => word === '1');
}

function knownToDpkg(): string[] {
  const { stdout } = spawnSync('dpkg-architecture', ['-L'], { encoding: 'utf8' });
  return stdout.trim().split('\n');
}

const WILDCARDS = [
  ...[
    'any',
    'linux-any',
    'any-amd64',
    'any-i386',
    'any-arm',
    'kfreebsd-any',
    'hurd-any',
    'musl-linux-any',
    'gnu-any-any',
  ],
  ...[
    'any-any',
    'gnu-linux-any',
    'gnueabihf-linux-any',
    'eabihf-any-any-arm',
    'any-any-any-any',
    'x32-gnu-linux-any',
  ],
  ...[
    'linux-amd64',
    'amd64',
    'armhf',
    'any-mips64',
    'uclibc-any-any',
    'bsd-any-any',
    'nonsense',
    'any-nonsense',
    'a-b-c-d-any',
  ],
];

describe('matchesArchitecture', () => {
  it('agrees with dpkg on every architecture that dpkg knows', () => {
    const architectures = knownToDpkg();
    const pairs = architectures.flatMap((name) =>
      WILDCARDS.map((wildcard): [string, string] => [name, wildcard]),
    );
    const dpkg = askDpkg(pairs);
    expect(
      pairs.filter(([name, wildcard], index) => matchesArchitecture(name, wildcard) !== dpkg[index]),
    ).toEqual([]);
    expect(architectures.length).toBeGreaterThan(100);
    expect(new Set(dpkg).size).toBe(2);
  });

  it('agrees with dpkg on pairs of names', () => {
    const names = knownToDpkg();
    const pairs = names.map((name, index): [string, string] => [
      name,
      names[(index * 7) % names.length] ?? name,
    ]);
    const dpkg = askDpkg(pairs);
    expect(pairs.map(([a, b]) => matchesArchitecture(a, b))).toEqual(dpkg);
  });

  it.each(['amd64', 'i386'])('says what dpkg-architecture -a%s -i says', (name) => {
    for (const wildcard of ['linux-any', 'any-i386', 'kfreebsd-any']) {
      const { status } = spawnSync('dpkg-architecture', [`-a${name}`, `-i${wildcard}`]);
      expect(matchesArchitecture(name, wildcard)).toBe(status === 0);
    }
  });

  it('takes all for no architecture', () => {
    expect(matchesArchitecture('all', 'any')).toBe(false);
    expect(matchesArchitecture('amd64', 'all')).toBe(false);
    expect(matchesArchitecture('all', 'all')).toBe(true);
  });
});

describe('architecturesToBuild', () => {
  const product = ['amd64', 'i386'];

  it.each([
    [['any'], 'amd64:any i386:any'],
    [['all'], 'i386:all'],
    [['any', 'all'], 'amd64:any i386:both'],
    [['amd64', 'all'], 'amd64:any i386:all'],
    [['linux-any'], 'amd64:any i386:any'],
    [['any-amd64'], 'amd64:any'],
    [['i386'], 'i386:any'],
    [['armhf'], ''],
    [['hurd-any', 'kfreebsd-any'], ''],
    [['all', 'armhf'], 'i386:all'],
    [[], ''],
  ])('%j', (architectures, expected) => {
    const builds = architecturesToBuild(architectures, product, 'i386');
    expect(builds.map((build) => `${build.architecture}:${build.binaries}`).join(' ')).toBe(expected);
  });

  it('builds all on the first architecture when the preferred one is not there', () => {
    expect(architecturesToBuild(['all'], product, 'arm64')).toEqual([
      { architecture: 'amd64', binaries: 'all' },
    ]);
    expect(architecturesToBuild(['all'], [], 'arm64')).toEqual([]);
  });
});
