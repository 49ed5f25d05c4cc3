/** What is missing, by name, from the lines around an error. */
import type { Missing, MissingKind } from './types.ts';

const FORMS: readonly [MissingKind, RegExp][] = [
  [
    'package',
    /(?:^|[\s:])(?:Pre-)?Depends: (.+?) but (?:it is not|it is a virtual|.+ is (?:to be )?installed)/,
  ],
  ['package', /^\s+\d+\. .+ (?:Pre-)?Depends (.+?)(?: but none of the choices are installable:?)?$/],
  ['package', /^E: Unable to locate package (\S+)$/],
  ['package', /^E: Package '?([^ ']+)'? has no installation candidate/],
  ['package', /^E: Version '.*' for '(.+)' was not found$/],
  ['header', /fatal error: '?([^':\s]+)'?(?:: No such file or directory| file not found)/],
  ['library', /(?:cannot find|unable to find library) -l:?([^\s:]+)/],
  ['library', /^dpkg-shlibdeps: error: (?:cannot find|couldn't find) library (\S+)/],
  [
    'pkg-config',
    /No package '([^']+)' found|Package '?([^',\s]+)'?(?:, required by '[^']+',)? (?:was )?not found/,
  ],
  ['pkg-config', /Dependency "([^"]+)" not found|Dependency lookup for (\S+) with method/],
  ['cmake', /Could NOT find (\w+)|package configuration file provided by\s+"([^"]+)"/],
  ['cmake', /By not providing "Find(\w+)\.cmake"/],
  ['python', /(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)'?/],
  ['perl', /you may need to install the ([\w:]+) module/],
  ['perl', /Can't locate (\S+\.pm) in @INC(?! \(you)/],
  ['node', /Cannot find (?:module|package) '([^']+)'/],
  ['program', /(?:^|: )(?:\d+: |line \d+: )?([^\s:]+): (?:command )?not found$/],
  ['program', /^make(?:\[\d+\])?: (\S+): (?:No such file or directory|Command not found)$/],
  ['program', /env: ['‘]([^'’]+)['’]: No such file/],
  ['program', /Program(?:\(s\))? \[?'([^']+)'\]? not found/],
  ['file', /No rule to make target ['‘`]([^'’]+)['’]/],
  ['file', /Cannot find \(any matches for\) "([^"]+)"/],
];
/** `dpkg-checkbuilddeps: error: unmet build dependencies: a b (>= 2) c | d` */
const UNMET = /[Uu]nmet build dependencies: (.+)$/;
const WORDS =
  /not found|No such|Depends|locate|candidate|cannot find|couldn't find|unable to find|find|Find|No package|No module|No rule|nmet|may need to install/;

/** Everything that the line says is missing. */
export function missingIn(line: string): Missing[] {
  if (!WORDS.test(line)) return [];
  const unmet = UNMET.exec(line)?.[1];
  if (unmet !== undefined) return splitUnmet(unmet).map((name) => ({ kind: 'package', name }));
  for (const [kind, form] of FORMS) {
    const match = form.exec(line);
    const name = match?.slice(1).find((group) => group !== undefined);
    if (name !== undefined) return [{ kind, name: name.trim() }];
  }
  return [];
}

/** Names are parted by blanks; a version in parentheses and an alternative after `|` belong to theirs. */
function splitUnmet(text: string): string[] {
  return text.match(/[^\s|()]+(?: \([^)]*\))?(?: \| [^\s|()]+(?: \([^)]*\))?)*/g) ?? [];
}
