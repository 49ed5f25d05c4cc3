/** What an error is about, with the sentence that page and mail say of it. Stored with rows: never renamed. */
export const ERROR_KINDS = {
  compile: 'The compiler found an error in the source.',
  'missing-header':
    'A header file is missing; the package that has it may not be among the build-dependencies.',
  link: 'The linker could not put the program together.',
  'missing-library':
    'A library to link with is missing; its development package may not be a build-dependency.',
  'missing-program': 'A program that the build calls is missing; its package may not be a build-dependency.',
  'missing-module': 'A module is missing; its package may not be among the build-dependencies.',
  'missing-file': 'A file that the build needs is not there.',
  configure: 'The configuration step stopped.',
  make: 'make does not know how to go on.',
  debhelper: 'A debhelper command stopped.',
  'package-files': 'The packages name files that the build did not make.',
  symbols: 'The symbols of a library are not those that debian/ lists.',
  'shared-libraries': 'The dependencies on shared libraries could not be worked out.',
  metadata: 'Something in debian/ is not in its form.',
  patch: 'A patch does not apply.',
  unpack: 'The source package could not be unpacked.',
  dependencies: 'Build-dependencies cannot be had.',
  exception: 'A script of the build ended with an exception.',
  tests: "The package's own tests failed.",
  network: 'The build asked the network, which it does not have.',
  permission: 'The build wrote where it may not.',
  'disk-full': 'The disk was full.',
  memory: 'The memory was used up.',
  crash: 'A program of the build crashed or was killed.',
  fetch: 'Something could not be fetched from an archive.',
  command: 'A command failed; this is what it said last.',
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;
