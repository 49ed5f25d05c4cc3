/** configure, cmake, meson, ninja, make and the shell. */
import { certain, likely } from './pattern.ts';

export const BUILD_SYSTEMS = [
  certain('configure', /^configure: error: /),
  certain('configure', /^(?<file>configure(?:\.ac|\.in)?):(?<line>\d+): error: /),
  certain(
    'configure',
    /^(?:\.\/)?(?<file>configure): line (?<line>\d+): (?:syntax error|.*: command not found)/,
  ),
  certain('configure', /^CMake Error(?: \(dev\))? at (?<file>[^:]+):(?<line>\d+) \(/),
  certain('configure', /^CMake Error(?: in (?<file>[^:]+))?:/),
  certain('configure', /^(?<file>[^\s:]*meson(?:\.build|_options\.txt|\.options)):(?<line>\d+):\d+: ERROR: /),
  certain('configure', /^(?:meson\.build: )?ERROR: (?:Dependency|Program|Could not|Neither)\b/),
  certain('configure', /^(?:autoreconf|aclocal|automake|autoconf|autom4te)(?:-[\d.]+)?: error: /),
  certain('configure', /^(?<file>[^\s:]*(?:configure\.ac|Makefile\.am|[^\s:]*\.m4)):(?<line>\d+): error: /),
  certain('configure', /^Project ERROR: /), // qmake
  certain('make', /^ninja: error: /),
  // Makefile:12: *** missing separator.  Stop.
  certain('make', /^(?<file>[^\s:]+):(?<line>\d+): \*\*\* (?!\[)/),
  certain('make', /^make(?:\[\d+\])?: \*\*\* (?:\[(?<file>[^:\]]+):(?<line>\d+): )?No rule to make target/),
  certain('make', /^make(?:\[\d+\])?: \*\*\* No targets/),
  certain(
    'missing-program',
    /^(?:\/bin\/|\/usr\/bin\/)?(?:ba|da)?sh: (?:line )?\d+: [^:]+: (?:command )?not found$/,
  ),
  certain('missing-program', /^make(?:\[\d+\])?: \S+: (?:No such file or directory|Command not found)$/),
  certain('missing-program', /^(?:\/usr\/bin\/)?env: ['‘][^'’]+['’]: No such file or directory$/),
  likely('missing-program', /^(?<file>[^\s:]+): (?:line )?(?<line>\d+): [^:]+: (?:command )?not found$/),
  likely(
    'missing-file',
    /^(?:\/usr)?(?:\/bin\/)?(?:cp|mv|install|ln|chmod|chown|rm|cat|sed|grep|touch|mkdir|rmdir|tar|cd|find|head|diff|gzip|strip)(?:\(\d+\))?: .*No such file or directory/,
  ),
  likely('permission', /^[^\s:]+: .*(?:Permission denied|Read-only file system|Operation not permitted)$/),
  likely('missing-file', /^(?:[^\s:]+: )?(?<file>[^\s:][^:]*): No such file or directory$/),
  likely('missing-file', /: No such file or directory\b/),
  likely('exception', /^(?<file>[^\s:]+): (?:line )?(?<line>\d+): (?:Syntax|syntax) error/),
];
