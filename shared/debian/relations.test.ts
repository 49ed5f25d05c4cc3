import fc from 'fast-check';
import { expect, test } from 'vitest';
import { run } from '../process/run.ts';
import { allowsVersion, OPERATORS, parseRelations, reduceRelations, type Relation } from './relations.ts';

test('names, versions, alternatives, architectures and profiles are read', () => {
  const [first, second] = parseRelations(
    'gcc:native (>= 4:12) | clang, libfoo-dev (<<2.0~)[ amd64 linux-any ] <!nocheck> <cross stage1> ,',
  );
  expect(first).toEqual([
    {
      name: 'gcc',
      qualifier: 'native',
      version: { operator: '>=', version: '4:12' },
      architectures: [],
      profiles: [],
    },
    { name: 'clang', qualifier: null, version: null, architectures: [], profiles: [] },
  ]);
  expect(second).toEqual([
    {
      name: 'libfoo-dev',
      qualifier: null,
      version: { operator: '<<', version: '2.0~' },
      architectures: ['amd64', 'linux-any'],
      profiles: [['!nocheck'], ['cross', 'stage1']],
    },
  ]);
  expect(parseRelations('  ')).toEqual([]);
});

test.each(['libfoo (2.0)', 'libfoo (=> 2)', 'a b', 'libfoo [amd64', 'Libfoo', '${shlibs:Depends}', 'a ||b'])(
  "'%s' is refused",
  (text) => {
    expect(() => parseRelations(text)).toThrow('is no relation');
  },
);

test.each([
  ['>=', '1.1', true],
  ['>=', '1.0~rc1', false],
  ['>>', '1.0', false],
  ['<<', '0.9', true],
  ['<=', '1.0-0', true],
  ['=', '1:1.0', false],
])('a version against (%s 1.0): %s is %s', (operator, version, expected) => {
  const [[relation]] = parseRelations(`a (${operator} 1.0)`) as [[Relation]];
  expect(allowsVersion(relation, version)).toBe(expected);
});

test('without a version every version will do', () => {
  expect(allowsVersion({ version: null }, '0')).toBe(true);
});

/** dpkg's own view of a field, reduced for an architecture and profiles. */
const PERL = `use Dpkg::Deps; my ($arch, $profiles, $field) = @ARGV;
my $deps = deps_parse($field, reduce_arch => 1, host_arch => $arch, build_arch => $arch, build_dep => 1,
  reduce_profiles => 1, build_profiles => [split / /, $profiles]);
print defined $deps ? $deps->output() : 'INVALID';`;

function writtenOne({ name, qualifier, version }: Relation): string {
  const where = qualifier === null ? '' : `:${qualifier}`;
  return `${name}${where}${version === null ? '' : ` (${version.operator} ${version.version})`}`;
}

function written(groups: Relation[][]): string {
  return groups.map((group) => group.map(writtenOne).join(' | ')).join(', ');
}

test('fields are reduced as dpkg does it', async () => {
  const name = fc.constantFrom('a1', 'libb-dev', 'c++', 'gcc', 'd.e');
  const version = fc.option(fc.tuple(fc.constantFrom(...OPERATORS), fc.constantFrom('1', '2.0~', '1:3-4')));
  const architectures = fc.constantFrom('', ' [amd64]', ' [!amd64 !hurd-any]', ' [linux-any]', ' [any-i386]');
  const word = fc
    .tuple(fc.constantFrom('', '!'), fc.constantFrom('nocheck', 'cross', 'stage1'))
    .map((w) => w.join(''));
  const profiles = fc.array(fc.array(word, { minLength: 1, maxLength: 2 }), { maxLength: 2 });
  const relation = fc
    .tuple(name, fc.constantFrom('', ':any', ':native'), version, architectures, profiles)
    .map(([n, q, v, a, p]) => {
      const formulas = p.map((formula) => ` <${formula.join(' ')}>`).join('');
      return `${n}${q}${v ? ` (${v[0]} ${v[1]})` : ''}${a}${formulas}`;
    });
  const field = fc
    .array(fc.array(relation, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
    .map((groups) => groups.map((group) => group.join(' | ')).join(', '));
  const setting = fc.record({
    architecture: fc.constantFrom('amd64', 'i386', 'hurd-i386'),
    profiles: fc.subarray(['nocheck', 'cross', 'stage1']),
  });
  await fc.assert(
    fc.asyncProperty(field, setting, async (fields, { architecture, profiles: active }) => {
      const { stdout } = await run(['perl', '-e', PERL, architecture, active.join(' '), fields]);
      const ours = written(reduceRelations(parseRelations(fields), { architecture, profiles: active }));
      expect(ours).toBe(stdout.toString('utf8'));
    }),
    { numRuns: 30 },
  );
});
