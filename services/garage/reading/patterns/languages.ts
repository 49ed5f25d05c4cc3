/** Interpreters. Tracebacks of Python span lines and have a reader of their own (traceback.ts). */
import { certain, likely } from './pattern.ts';

export const LANGUAGES = [
  // Can't locate Foo/Bar.pm in @INC (you may need to install the Foo::Bar module) (...) at Build.PL line 3.
  certain('missing-module', /^Can't locate \S+ in @INC .* at (?<file>\S+) line (?<line>\d+)\.?$/),
  certain('missing-module', /^Can't locate \S+ in @INC /),
  certain('exception', /^BEGIN failed--compilation aborted at (?<file>\S+) line (?<line>\d+)\.?$/),
  certain(
    'exception',
    /^(?:syntax error|Global symbol .*|Bareword .*) at (?<file>\S+) line (?<line>\d+)(?:, near .*|\.)?$/,
  ),
  likely('exception', /^.+ at (?<file>\S+\.(?:pl|pm|PL|t|cgi)) line (?<line>\d+)\.$/),
  certain('missing-module', /^(?:Error: |\[?Error\]?:? )?Cannot find (?:module|package) '[^']+'/),
  certain(
    'missing-module',
    /^(?:error: )?no required module provides package |^.*cannot find package "[^"]+" in any of/,
  ),
  certain('missing-module', /^Error in library\([^)]*\) : there is no package called/),
  certain(
    'missing-module',
    /^(?:<internal:\S+>|(?<file>\S+)):(?<line>\d+):in [`'].*': cannot load such file -- /,
  ),
  certain('exception', /^(?<file>[^\s:]+\.rb):(?<line>\d+):in [`'].*': .+ \(\w+\)$/),
  certain('exception', /^Exception in thread "[^"]*" /),
  certain('exception', /^thread '[^']*' (?:\(\d+\) )?panicked at (?<file>[^:']+):(?<line>\d+)/),
  certain('exception', /^panic: /),
  likely('exception', /^(?:Uncaught )?(?:[A-Z]\w*)?(?:Error|Exception): .+/),
  certain('exception', /^PHP (?:Fatal|Parse) error: .* in (?<file>\S+) on line (?<line>\d+)/),
  certain('configure', /^error: failed to select a version for the requirement/),
  certain('exception', /^BUILD FAILED$|^\[ERROR\] Failed to execute goal/),
];
