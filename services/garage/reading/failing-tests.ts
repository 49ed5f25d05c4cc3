/** Names of failing tests, in the words of the usual test runners. */

export interface FailingTest {
  name: string;
  file: string | null;
  fileLine: number | null;
}

/** `name` is the test, `file` and `line` where it stands. Expected failures (XFAIL, those of TAP) match none. */
const FORMS = [
  /^FAILED (?<name>(?<file>[^\s:]+\.py)::\S+)/, // pytest's summary
  /^(?:ERROR|FAILED) (?<name>(?<file>\S+\.py))(?: - |$)/,
  /^(?:FAIL|ERROR): (?<name>\w+ \([\w.]+\))/, // unittest
  /^FAIL: (?<name>\S+(?: \d+)?)(?: - .*)?$/, // automake
  /^\s*\d+\/\d+ Test\s+#\d+: (?<name>\S+) \.*\s*\*{3}/, // ctest
  /^\s*\d+\/\d+ (?<name>\S.*?)\s+(?:FAIL|ERROR|TIMEOUT)\b/, // meson
  /^not ok \d+ (?:- )?(?<name>(?!.*# (?:T[O]DO|SKIP)).+)$/, // TAP
  /^#\s+Failed test (?:'(?<name>.+)'|at .+)$/, // Test::More; `at` stands on the next line
  /^(?<name>(?<file>\S+\.t))(?: \.{2,} (?:Failed|Dubious)|\s+\(Wstat: [1-9])/, // prove
  /^\s*--- FAIL: (?<name>\S+)/, // go
  /^test (?<name>\S+) \.\.\. FAILED$/, // cargo
  /^\[ {2}FAILED {2}\] (?<name>[\w/]+\.[\w/]+)/, // googletest
  /^Tests? .*FAILURE!.* -+ in (?<name>\S+)/, // surefire
  /^\s+✖ (?<name>.+?)(?: \(\d.*\))?$/, // node
];
const WORDS = /FAIL|ERROR|not ok|Failed|Dubious|TIMEOUT|\*\*\*|✖/;
/** `t.py:3: AssertionError`, `sum_test.cc:12: Failure`, `#   at t/sum.t line 1.` */
const PLACES = [
  /^(?<file>[\w./-]+\.\w+):(?<line>\d+): (?:Failure|\w*Error\b)/,
  /^#\s+at (?<file>\S+) line (?<line>\d+)\.$/,
];

/** The test that this line says failed, or null. */
export function failingTest(line: string): FailingTest | null {
  if (!WORDS.test(line)) return null;
  for (const form of FORMS) {
    const groups = form.exec(line)?.groups;
    if (groups)
      return { name: (groups['name'] ?? line).trim(), file: groups['file'] ?? null, fileLine: null };
  }
  return null;
}

/** Where an assertion failed, or null. */
export function failurePlace(line: string): { file: string; line: number } | null {
  if (!/Error|Failure|^#/.test(line)) return null;
  for (const form of PLACES) {
    const groups = form.exec(line)?.groups;
    if (groups) return { file: groups['file'] ?? '', line: Number(groups['line']) };
  }
  return null;
}
