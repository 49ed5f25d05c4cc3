/**
 * Damaged and made-up packages by the hundred: never a crash, never a hang, and never an index that apt cannot read.
 * `AUTOBUILDER_LONG=1` tries many more.
 */
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDeb } from '../../services/repository/incoming/read-deb.ts';
import { readFileList } from '../../services/repository/incoming/read-file-list.ts';
import type { DebControl } from '../../shared/debian/deb.ts';
import { packagesStanza } from '../../shared/debian/indexes.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { minimalEnvironment, run, runChecked } from '../../shared/process/run.ts';
import { debOf } from '../support/hostile-deb.ts';

const isLong = process.env['AUTOBUILDER_LONG'] === '1';
/** The seed is shown when a property fails; a fixed one keeps a run of the short form the same everywhere. */
const SEED = isLong ? Date.now() % 2 ** 31 : 4;
const TIMEOUT_MS = isLong ? 30 * 60_000 : 120_000;
const runs = (short: number): { numRuns: number; seed: number } => ({
  numRuns: isLong ? short * 40 : short,
  seed: SEED,
});

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the queue manager reads of a binary package; null when it is refused in the way it should be. */
async function read(bytes: Uint8Array): Promise<DebControl | null> {
  const file = path.join(folder, 'any.deb');
  await writeFile(file, bytes);
  try {
    const control = await readDeb(file, bytes.length);
    const list = await readFileList(file, bytes.length);
    const bad = list.find((each) => each.includes('\n') || each.split('/').includes('..'));
    if (bad !== undefined) throw new Error(`a path that no list may hold: ${JSON.stringify(bad)}`);
    return control;
  } catch (error) {
    if (error instanceof AppError && error.code === 'deb-invalid' && error.message.length > 10) return null;
    throw error;
  }
}

const SUMS = { md5: '0'.repeat(32), sha1: '0'.repeat(40), sha256: '0'.repeat(64) };

/** Stanzas as the indexes show them, each under a name of its own so that none hides another. */
class Index {
  readonly #stanzas: string[] = [];

  add(control: DebControl): void {
    const number = String(this.#stanzas.length);
    const paragraph = control.paragraph
      .clone()
      .set('Package', `fuzzed-${number}`)
      .set('Architecture', 'amd64');
    this.#stanzas.push(packagesStanza(paragraph, { ...SUMS, size: 1, path: `pool/fuzzed-${number}.deb` }));
  }

  get size(): number {
    return this.#stanzas.length;
  }

  /** Names that a real apt knows after it has read the index; throws when it could not. */
  async readByApt(): Promise<number> {
    const root = path.join(folder, `apt-${String(this.size)}`);
    for (const name of ['repo', 'lists/partial', 'archives/partial', 'etc/apt.conf.d', 'etc/preferences.d']) {
      await mkdir(path.join(root, name), { recursive: true });
    }
    await writeFile(path.join(root, 'repo/Packages'), `${this.#stanzas.join('\n')}\n`);
    await writeFile(path.join(root, 'status'), '');
    await writeFile(path.join(root, 'etc/sources.list'), `deb [trusted=yes] file:${root}/repo ./\n`);
    const settings = {
      'Dir::Etc': `${root}/etc`,
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State::lists': `${root}/lists`,
      'Dir::State::status': `${root}/status`,
    };
    const options = {
      ...settings,
      'Dir::Cache': root,
      'APT::Architecture': 'amd64',
      'APT::Sandbox::User': 'root',
      'Debug::NoLocking': 'true',
    };
    const config = path.join(root, 'apt.conf');
    await writeFile(
      config,
      Object.entries(options)
        .map(([name, value]) => `${name} "${value}";\n`)
        .join(''),
    );
    const env = minimalEnvironment({ APT_CONFIG: config });
    await runChecked(['apt-get', 'update'], { env });
    const { stdout, stderr, code } = await run(['apt-cache', 'pkgnames', 'fuzzed-'], { env });
    if (code !== 0 || stderr.length > 0) throw new Error(`apt cannot read the index: ${stderr.toString()}`);
    return stdout
      .toString()
      .split('\n')
      .filter((name) => name !== '').length;
  }
}

describe('damage to real packages', () => {
  test.each([
    ['stored', '-Znone'],
    ['xz', '-Zxz'],
    ['gzip', '-Zgzip'],
    ['zstd', '-Zzstd'],
  ])(
    'is refused or read through: %s',
    async (_name, packing) => {
      const tree = path.join(folder, 'tree');
      await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
      await mkdir(path.join(tree, 'usr/share/doc/whole'), { recursive: true });
      await writeFile(path.join(tree, 'usr/share/doc/whole/copyright'), 'text\n'.repeat(50));
      const control =
        'Package: whole\nVersion: 1:2.0-1\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDepends: libc6 (>= 2.36) | libc7, x:any\nProvides: y (= 1)\nDescription: short\n long\n';
      await writeFile(path.join(tree, 'DEBIAN/control'), control);
      const deb = path.join(folder, 'whole.deb');
      await runChecked([
        'dpkg-deb',
        '--root-owner-group',
        packing,
        '--uniform-compression',
        '--build',
        tree,
        deb,
      ]);
      const whole = await readFile(deb);
      expect(await read(whole)).not.toBeNull();
      const index = new Index();
      const change = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }));
      // Where the texts are, a change is more often read through than refused.
      const near = fc.tuple(
        fc.nat({ max: Math.min(1_500, whole.length - 1) }),
        fc.integer({ min: 1, max: 255 }),
      );
      const damage = fc.record({
        flips: fc.array(fc.oneof(change, near), { minLength: 0, maxLength: 4 }),
        length: fc.oneof(fc.constant(whole.length), fc.nat({ max: whole.length })),
        tail: fc.uint8Array({ maxLength: 3 }),
      });
      await fc.assert(
        fc.asyncProperty(damage, async ({ flips, length, tail }) => {
          const bytes = Buffer.concat([whole.subarray(0, length), tail]);
          for (const [at, flip] of flips) if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ flip;
          const found = await read(bytes);
          if (found) index.add(found);
        }),
        runs(150),
      );
      expect(await index.readByApt()).toBe(index.size);
    },
    TIMEOUT_MS,
  );
});

/** Text as control files have it, and as nobody would write it. */
const word = fc.stringMatching(/^[a-zA-Z0-9+.~:_()<>=|,[\]!-]{0,12}$/);
const odd = fc.constantFrom(
  '\t',
  '\u0085',
  '\u2028',
  '\u00a0',
  '\r',
  '\0',
  '\u001b',
  '\ud83d\ude00',
  '#',
  ' .',
  ' ',
  ':',
  'é',
);
const value = fc
  .array(fc.oneof({ weight: 8, arbitrary: word }, { weight: 1, arbitrary: odd }), { maxLength: 8 })
  .map((parts) => parts.join(' '));
const relation = fc
  .record({
    name: fc.constantFrom('libc6', 'Lib_X', 'a', 'a+b', '-x', '', 'x y', 'ü'),
    qualifier: fc.constantFrom('', '', ':any', ':', ':amd64', ':a:b'),
    version: fc.constantFrom(
      '',
      '',
      ' (>= 1)',
      '(=1:2~)',
      ' (< 1)',
      ' (>= )',
      ' (1)',
      ' (~> 1)',
      ' (>= 1',
      ' ( >= 1 )',
      ' (>= a b)',
    ),
    rest: fc.constantFrom('', '', '', ' [amd64]', ' <!nocheck>', ' x', ')'),
  })
  .map(({ name, qualifier, version, rest }) => `${name}${qualifier}${version}${rest}`);
const relations = fc
  .tuple(
    fc.array(relation, { minLength: 1, maxLength: 3 }),
    fc.constantFrom(', ', ',', ' | ', '|', ',,', '||', ' ,\n '),
    fc.constantFrom('', '', ',', '|', ' '),
  )
  .map(([parts, between, end]) => parts.join(between) + end);
const RELATIONS = [
  'Depends',
  'Pre-Depends',
  'Provides',
  'Conflicts',
  'Breaks',
  'Replaces',
  'Recommends',
  'Suggests',
  'Enhances',
];
const OTHERS = [
  'Section',
  'Priority',
  'Multi-Arch',
  'Essential',
  'Installed-Size',
  'Tag',
  'Homepage',
  'Source',
  'Description',
  'X-Odd',
  'Phased-Update-Percentage',
  'Filename',
  'Size',
  'MD5sum',
  'Status',
  'Conffiles',
  'Description-md5',
];
const fields = fc.array(
  fc.oneof(fc.tuple(fc.constantFrom(...RELATIONS), relations), fc.tuple(fc.constantFrom(...OTHERS), value)),
  { maxLength: 4 },
);

test(
  'whatever fields a package has, it is refused, or apt reads the index that it is in',
  async () => {
    const index = new Index();
    const head = 'Package: made\nVersion: 1\nArchitecture: amd64\nMaintainer: T <t@example.org>\n';
    await fc.assert(
      fc.asyncProperty(fields, async (entries) => {
        const text = entries.map(([name, content]) => `${name}: ${content}\n`).join('');
        const found = await read(debOf(head + text));
        if (found) index.add(found);
      }),
      runs(1_500),
    );
    expect(index.size).toBeGreaterThan(100);
    expect(await index.readByApt()).toBe(index.size);
  },
  TIMEOUT_MS,
);
