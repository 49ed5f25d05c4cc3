/** gcc, clang, ld and compilers that speak like them. The order is that of precision: the first match counts. */
import { certain, likely } from './pattern.ts';

export const COMPILERS = [
  certain(
    'missing-header',
    /^(?<file>[^\s:][^:]*):(?<line>\d+):(?:\d+:)? fatal error: '?[^':]+'?(?:: No such file or directory| file not found)$/,
  ),
  certain('missing-library', /\bld(?:\.\w+)?: (?:error: )?(?:cannot find|unable to find library) -l/),
  // /usr/bin/ld: main.o: in function `main': main.c:12: undefined reference to `f'
  certain(
    'link',
    /^(?:\S*\bld(?:\.\w+)?: )?(?<file>[^\s:][^:]*):(?:(?<line>\d+)|\([^)]*\)): (?:undefined reference to|multiple definition of|more undefined references)/,
  ),
  certain('link', /\bld(?:\.\w+)?: (?:error: )?(?:undefined (?:reference|symbol)|duplicate symbol)/),
  certain(
    'link',
    /\bld(?:\.\w+)?: (?<file>[^\s:]+): (?:undefined reference|relocation .* against|DSO missing|file not recognized|error adding symbols)/,
  ),
  certain('link', /^Undefined symbols for architecture /),
  certain('compile', /^(?<file>[^\s:][^:]*):(?<line>\d+):(?:\d+:)? (?:fatal )?error: /),
  // cc1: all warnings being treated as errors; cc1plus: error: unrecognized command-line option
  certain(
    'compile',
    /^(?:cc1|cc1plus|gcc|g\+\+|clang|clang\+\+|lto1|f951|gnat1)(?:-\d+)?: (?:fatal )?error: /,
  ),
  certain('compile', /internal compiler error: /),
  certain('compile', /^(?<file>[^\s:(][^:(]*)[(:](?<line>\d+)\)?: Error: /), // gas, Free Pascal
  // rustc: the place stands on the next line and is found there
  certain(
    'compile',
    /^error(?:\[E\d{4}\])?: (?!could not compile|aborting due|test failed|Recipe|failed to (?:push|fetch))/,
  ),
  certain('compile', /^(?<file>[^\s:]+\.go):(?<line>\d+):\d+: /),
  certain('compile', /^(?<file>[^\s:]+\.(?:hs|vala|ml|d|scala|kt)):(?<line>\d+)[:.].*\berror\b/i),
  certain('compile', /^(?<file>[^\s(]+\.tsx?)\((?<line>\d+),\d+\): error TS\d+: /),
  certain('compile', /^(?<file>[^\s:]+\.java):(?<line>\d+): error: /),
  certain('compile', /^\s*\[(?:ERROR|javac)\] (?<file>[^\s:]+\.java):\[?(?<line>\d+)[,:].*/),
  likely('link', /^collect2: (?:error|fatal error): /),
];
