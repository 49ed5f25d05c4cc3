import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readLog } from './read-log.ts';
import { turnOf } from './stops.ts';
import type { LogFacts, Missing } from './types.ts';

const LOGS = path.resolve(import.meta.dirname, '../../../test/fixtures/logs');
const folder = await mkdtemp(path.join(tmpdir(), 'read-log-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(name: string, failed = true): Promise<LogFacts> {
  const facts = await readLog(path.join(LOGS, `${name}.log`), failed);
  if (!facts) throw new Error(`there is no ${name}.log`);
  return facts;
}

async function readText(text: string): Promise<LogFacts> {
  const file = path.join(folder, 'build.log');
  await writeFile(file, text);
  const facts = await readLog(file, true);
  if (!facts) throw new Error('it was not read');
  return facts;
}

type Wanted = [kind: string, text: RegExp, file: string | null, line: number | null, missing?: Missing[]];

/** Log (test/fixtures/logs), and the first real error in it. */
const WANTED: Record<string, Wanted> = {
  'gcc-error': ['compile', /error: ‘x’ undeclared/, 'src/main.c', 41],
  'clang-header': [
    'missing-header',
    /'zlib.h' file not found/,
    'lib/deflate.c',
    3,
    [{ kind: 'header', name: 'zlib.h' }],
  ],
  'gcc-header': [
    'missing-header',
    /zlib.h: No such/,
    'lib/deflate.c',
    3,
    [{ kind: 'header', name: 'zlib.h' }],
  ],
  ninja: ['compile', /‘y’ undeclared/, '../m.c', 1],
  rustc: ['compile', /^error\[E0425\]/, 'src/main.rs', 2],
  'go-build': ['compile', /cannot find package/, 'src/example.org/sample/main.go', 5],
  'link-undefined': ['link', /undefined reference to `compress_all'/, '/build/sample-1.0/src/main.c', 12],
  'link-library': [
    'missing-library',
    /cannot find -lnothere/,
    null,
    null,
    [{ kind: 'library', name: 'nothere' }],
  ],
  'make-no-rule': ['make', /No rule to make target/, null, null, [{ kind: 'file', name: 'generated.h' }]],
  'make-separator': ['make', /missing separator/, 'Makefile', 12],
  'configure-pkg-config': [
    'configure',
    /Package requirements \(gtk4/,
    null,
    null,
    [
      { kind: 'pkg-config', name: 'gtk4' },
      { kind: 'header', name: 'minix/config.h' },
    ],
  ],
  'cmake-package': [
    'configure',
    /^CMake Error at/,
    'CMakeLists.txt',
    3,
    [{ kind: 'cmake', name: 'Nonesuch' }],
  ],
  'meson-dependency': [
    'configure',
    /ERROR: Dependency/,
    '../meson.build',
    24,
    [{ kind: 'pkg-config', name: 'libsoup-3.0' }],
  ],
  'python-module': [
    'missing-module',
    /^ModuleNotFoundError/,
    '/build/sample-1.0/setup.py',
    3,
    [{ kind: 'python', name: 'setuptools_scm' }],
  ],
  'python-chained': ['exception', /^KeyError/, '/build/sample-1.0/setup.py', 9],
  'perl-module': [
    'missing-module',
    /^Can't locate Module\/Build.pm/,
    'Build.PL',
    4,
    [{ kind: 'perl', name: 'Module::Build' }],
  ],
  'node-module': ['missing-module', /Cannot find module/, null, null, [{ kind: 'node', name: 'rollup' }]],
  pytest: ['tests', /^FAILED tests\/test_api.py::test_sum/, 'tests/test_api.py', 17],
  unittest: ['tests', /^FAIL: test_a/, '/build/sample-1.0/sample/test_math.py', 4],
  'automake-check': ['tests', /^FAIL: tests\/two.sh/, null, null],
  ctest: ['tests', /Test #1: one/, null, null],
  prove: ['tests', /Failed test 'sum'/, 't/sum.t', 7],
  'cargo-test': ['tests', /parse::tests::empty/, null, null],
  'dh-install': [
    'package-files',
    /Cannot find/,
    null,
    null,
    [{ kind: 'file', name: 'usr/lib/*/libsample.so.2' }],
  ],
  'dh-missing': ['package-files', /usr\/share\/sample\/new.txt exists/, null, null],
  'dh-compat': ['debhelper', /Unknown sequence/, null, null],
  gensymbols: ['symbols', /some symbols or patterns disappeared/, null, null],
  shlibdeps: [
    'shared-libraries',
    /cannot find library libprivate/,
    null,
    null,
    [{ kind: 'library', name: 'libprivate.so.1' }],
  ],
  'patch-reject': ['patch', /Hunk #1 FAILED/, 'src/f.c', 31],
  'dpkg-source-format': ['unpack', /unrecognized file/, null, null],
  'apt-unmet': [
    'dependencies',
    /libnone-dev \(>= 2\)/,
    null,
    null,
    [
      { kind: 'package', name: 'libnone-dev (>= 2)' },
      { kind: 'package', name: 'libbar-dev (>= 3)' },
    ],
  ],
  checkbuilddeps: [
    'dependencies',
    /Unmet build dependencies/,
    null,
    null,
    [
      { kind: 'package', name: 'libnone-dev (>= 2)' },
      { kind: 'package', name: 'debhelper-none | other' },
    ],
  ],
  'apt-fetch': ['fetch', /^E: Failed to fetch/, null, null],
  'disk-full': ['disk-full', /No space left on device/, null, null],
  network: ['network', /Temporary failure in name resolution/, null, null],
  crash: ['crash', /^running 3 checks/, 'Makefile', 30],
  program: ['missing-program', /gperf: not found/, './gen.sh', 3, [{ kind: 'program', name: 'gperf' }]],
  'install-file': ['missing-file', /cannot stat/, null, null],
  silent: ['command', /^it rains$/, 'debian/rules', 9],
  survived: ['compile', /the real one/, 'src/real.c', 5],
};

describe('the first real error', () => {
  test.each(Object.entries(WANTED))('%s', async (name, [kind, text, file, fileLine, missing = []]) => {
    const { firstError, missing: found } = await read(name);
    expect(firstError).toMatchObject({ kind, text: expect.stringMatching(text), file, fileLine });
    expect(found).toEqual(missing);
  });

  test('every log of the fixtures is held to something', () => {
    const names = readdirSync(LOGS).map((name) => name.replace('.log', ''));
    expect(names.toSorted()).toEqual([...Object.keys(WANTED), 'success'].toSorted());
  });

  test.each(Object.keys(WANTED))('%s: is never a line that only passes a failure on', async (name) => {
    const { firstError } = await read(name);
    expect(turnOf(firstError!.text)).toBeNull();
    expect(firstError!.text).not.toMatch(/^make.*\*\*\* \[/);
  });

  test('it comes with its line in the log and what stands around it', async () => {
    const { firstError } = await read('gcc-error');
    const lines = (await import('node:fs'))
      .readFileSync(path.join(LOGS, 'gcc-error.log'), 'utf8')
      .split('\n');
    expect(lines[firstError!.logLine! - 1]).toBe(firstError!.text);
    expect(firstError!.before.at(-1)).toBe('src/main.c: In function ‘main’:');
    expect(firstError!.before.at(-2)).toMatch(/^gcc .* src\/main.c$/);
    expect(firstError!.after.slice(0, 2)).toEqual([
      '   41 | int main(void){ undefined_fn(); return x; }',
      '      |                                        ^',
    ]);
    const { firstError: last } = await read('silent');
    expect(lines.length).toBeGreaterThan(10);
    expect(last).toMatchObject({ text: 'it rains', logLine: expect.any(Number) });
    const silent = (await import('node:fs')).readFileSync(path.join(LOGS, 'silent.log'), 'utf8').split('\n');
    expect(silent[last!.logLine! - 1]).toBe('it rains');
  });

  test('a success has none, whatever its log says', async () => {
    expect(await read('success', false)).toMatchObject({ firstError: null, failingTests: [], missing: [] });
  });

  test('a build that was ended from outside has none: what it said last is no error', async () => {
    const ended = '+ sleep 100000\n==> ending (9 s since start)\n==> done (9 s since start)\n';
    const { firstError } = await readText(`${ended}Result: package in build: The job took longer than 9 s\n`);
    expect(firstError).toBeNull();
    const traced = await readText('sh ./build.sh\n+ false\nmake: *** [debian/rules:3: build] Error 1\n');
    expect(traced.firstError).toMatchObject({ kind: 'command', text: '+ false', file: 'debian/rules' });
  });

  test('a log without any sign of why has none', async () => {
    expect((await readText('one\ntwo\nthe end\n')).firstError).toBeNull();
    expect((await readText('')).firstError).toBeNull();
    expect(await readLog(path.join(folder, 'none'), true)).toBeNull();
  });
});

test.each([
  ['pytest', ['tests/test_api.py::test_sum', 'tests/test_cli.py::test_help[long]']],
  ['unittest', ['test_a (sample.test_math.T.test_a)']],
  ['automake-check', ['tests/two.sh']],
  ['ctest', ['one']],
  ['prove', ['sum', 't/sum.t']],
  ['cargo-test', ['parse::tests::empty']],
  ['gcc-error', []],
])('%s: names of failing tests', async (name, names) => {
  const { failingTests, failingTestCount } = await read(name);
  expect(failingTests).toEqual(names);
  expect(failingTestCount).toBe(names.length);
});

test('warnings are counted by kind, and what apt set up is known', async () => {
  const { warnings, setUp } = await read('success', false);
  expect(warnings).toEqual({ '-Wunused-variable': 2, autoconf: 1, 'dpkg-source': 1, 'dpkg-gencontrol': 1 });
  expect(setUp).toEqual({ 'libzstd-dev': '1.5.4+dfsg2-5', debhelper: '13.11.4', 'libfoo-dev': '1.2-3' });
});

describe('hostile logs', () => {
  test('terminal sequences, control characters and bytes that are no text are no part of what is kept', async () => {
    const file = path.join(folder, 'build.log');
    const line = Buffer.concat([
      Buffer.from('\u001b[1msrc/a.c:3:1: \u001b[31merror: \u001b[0mbad\u0007\u0000 '),
      Buffer.from([0xff, 0xfe]),
    ]);
    await writeFile(file, Buffer.concat([line, Buffer.from('\r\nmake: *** [Makefile:1: all] Error 1\n')]));
    const facts = await readLog(file, true);
    expect(facts?.firstError).toMatchObject({ file: 'src/a.c', fileLine: 3 });
    expect(facts?.firstError?.text).toMatch(/^src\/a.c:3:1: error: bad [\ufffd]+$/u);
  });

  test('a line without an end, and one that repeats a pattern ten thousand times, take no time (the test has a limit)', async () => {
    const nasty = [
      'x'.repeat(1_000_000),
      ' : Depends: '.repeat(10_000),
      `${'a:'.repeat(10_000)} error: `,
      `${'1/'.repeat(10_000)}2 x FAIL`,
      'warning: ['.repeat(10_000),
      '(a) '.repeat(2_000) + 'dpkg-checkbuilddeps: error: unmet build dependencies: ' + 'a (b '.repeat(2_000),
    ];
    const facts = await readText(nasty.flatMap((line) => Array.from({ length: 20 }, () => line)).join('\n'));
    expect(facts.lines).toBe(120);
  });

  test('a very long log is read at both ends', async () => {
    const filler = 'nothing of interest in this line of the log\n'.repeat(1_000);
    const middle = filler.repeat(Math.ceil((70 * 1024 * 1024) / filler.length));
    const facts = await readText(
      `Setting up foo (1.0) ...\n${middle}src/a.c:3:1: error: bad\nmake: *** [Makefile:1: all] Error 1\n`,
    );
    expect(facts.skippedBytes).toBeGreaterThan(0);
    expect(facts.setUp).toEqual({ foo: '1.0' });
    expect(facts.firstError).toMatchObject({ file: 'src/a.c', logLine: null });
  });

  test('lists that a build makes endless are cut, and counted on', async () => {
    const fails = Array.from({ length: 3_000 }, (_, n) => `FAIL: test-${String(n)}`);
    const kinds = Array.from({ length: 3_000 }, (_, n) => `a.c:1:1: warning: x [-Wk${String(n)}]`);
    const facts = await readText(
      [...kinds, ...fails, 'make: *** [Makefile:1: check] Error 1', ''].join('\n'),
    );
    expect(facts.failingTests).toHaveLength(50);
    expect(facts.failingTestCount).toBe(3_000);
    expect(Object.keys(facts.warnings)).toHaveLength(200);
  });
});
