/** Warnings by kind, so that a new one stands out among a thousand old ones. */

const NAMED: readonly [RegExp, (match: RegExpExecArray) => string][] = [
  // gcc and clang name the flag that asked for it.
  [/\bwarning: .*\[(-W[\w+=-]+)\]$/, ([, flag = '']) => flag.replace(/=\d+$/, '')],
  [/^(dh_\w+|dh|dpkg-\w+|debhelper): warning: /, ([, program = '']) => program],
  [/^CMake (?:Deprecation )?Warning/, () => 'cmake'],
  [/^(?:\S*meson\.build:\d+: )?WARNING: /, () => 'meson'],
  [/^configure: WARNING: /, () => 'configure'],
  [/^(?:configure\.(?:ac|in)|aclocal\.m4|.*\.m4):\d+: warning: /, () => 'autoconf'],
  [/^\S*Makefile\.am:\d+: warning: |^automake(?:-[\d.]+)?: warning: /, () => 'automake'],
  [/\bld(?:\.\w+)?: (?:\S+: )?warning: /, () => 'linker'],
  [/\b(\w*(?:Deprecation|Syntax|Future|Runtime|Resource|User)Warning): /, ([, name = '']) => name],
  [/^\S+\.java:\d+: warning: \[(\w+)\]/, ([, lint = '']) => `javac:${lint}`],
  [/^W: /, () => 'apt'],
  [/^\S+\.(?:rst|md|txt)(?::\d+)?: WARNING: /, () => 'documentation'],
  [/^npm (?:warn|WARN) /, () => 'npm'],
  [/^(?:g?make)(?:\[\d+\])?: warning: /, () => 'make'],
  [/(?:^|[:\s])warning(?:\[\w+\])?: /i, () => 'other'],
];

/** The kind of warning that this line is, or null. Lines that count others (`3 warnings`) are none. */
export function warningKind(line: string): string | null {
  if (!/warn/i.test(line) && !line.startsWith('W: ')) return null;
  for (const [form, name] of NAMED) {
    const match = form.exec(line);
    if (match) return name(match);
  }
  return null;
}
