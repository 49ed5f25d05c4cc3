/**
 * Lines by which a build says that it stops, or that it goes on: none of them is ever the error itself, but
 * they tell where to look for it.
 */

/** Somebody up the chain reports that what it called failed. */
const STOPS = [
  /^\s*(?:g|re|sub)?make(?:\[\d+\])?: \*\*\* \[/,
  /^\s*(?:g|re|sub)?make(?:\[\d+\])?: \*\*\* Waiting for unfinished jobs/,
  /^\s*(?:g|re|sub)?make(?:\[\d+\])?: Target .* not remade because of errors/,
  /^ninja: build stopped: /,
  /^dh(?:_\w+)?: error: .* (?:returned exit code|died with signal)/,
  /^dpkg-(?:buildpackage|source): error: .*(?:subprocess|gave error|returned|died|exit status)/,
  /^debian\/rules:\d+: recipe for target .* failed/,
  /^\S*[Mm]akefile\S*:\d+: recipe for target .* failed/,
  /^error: (?:could not compile|aborting due to|test failed, to rerun)/,
  /^(?:compilation terminated\.|collect2: error: ld returned)/,
  /^E: (?:Build killed|Build failure|Sub-process)/,
  /^subprocess\.CalledProcessError: /,
];

/** One of these is in every stop; most lines have none. */
const STOP_WORDS = /\*\*\*|error|FAILED|stopped|recipe|terminated|not remade|^E: /;

/** `make[1]: [debian/rules:9: check] Error 1 (ignored)`: whatever failed before it did no harm. */
const IGNORED = /^\s*make(?:\[\d+\])?: (?:\*\*\* )?\[.*\] (?:Error \d+|.*) \(ignored\)$/;

/**
 * dh names each command before it runs it, and dpkg-buildpackage each call: what came before has succeeded.
 * The runner's stages and sbuild's headings are of the same kind.
 */
const PROGRESS = [
  /^ {3}dh_\w+/,
  /^ {3}debian\/rules (?:override|execute)_/,
  /^ (?:fakeroot )?debian\/rules (?:clean|build|binary)/,
  /^ dpkg-(?:source|genbuildinfo|genchanges) /,
  /^==> (?:clean|prep|setup|build) \(/, // `ending` and `done` come after a failure too
];

/** Says nothing of why something failed: make's way through folders, the runner's headings and its result. */
export const NOISE =
  /^\s*$|^make\[\d+\]: (?:Entering|Leaving) directory |^==> |^Result: (?:package|dep-wait|machine|cancelled|usage) in /;

/** `[Makefile:12: all] Error 1`: where the recipe stands. */
const RECIPE = /\*\*\* \[(?<file>[^\s:\]]+):(?<line>\d+): /;

export type Turn = 'stop' | 'ignored' | 'progress' | null;

/** What the line says of the build's way. */
export function turnOf(line: string): Turn {
  if (/^[ =]/.test(line) && PROGRESS.some((form) => form.test(line))) return 'progress';
  if (line.endsWith('(ignored)') && IGNORED.test(line)) return 'ignored';
  return STOP_WORDS.test(line) && STOPS.some((form) => form.test(line)) ? 'stop' : null;
}

/** The makefile's place in a stop line, when it has one. */
export function recipeOf(line: string): { file: string; line: number } | null {
  const groups = RECIPE.exec(line)?.groups;
  return groups ? { file: groups['file'] ?? '', line: Number(groups['line']) } : null;
}
