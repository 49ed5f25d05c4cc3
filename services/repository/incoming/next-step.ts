/** What a person does about a refused set, by its code; goes into REASON. */

const STEPS: readonly (readonly [RegExp, string])[] = [
  [/^file-exists$/, 'A published name keeps its content for ever: raise the version and build it again.'],
  [/^version-check-failed$/, 'Raise the version above the one that is there, and build it again.'],
  [
    /^binary-taken$/,
    'Rename the binary package, or let its owner publish a version that no longer builds it.',
  ],
  [
    /^(?:component|architecture|product|queue)-unknown$/,
    'Add it to the configuration and build it again, or upload it elsewhere.',
  ],
  [
    /^(?:deb|deb822|dsc|checksums|file-list|file-name|file-listed|version|relation|pool-path)-/,
    'The package itself is at fault: correct its source, raise the version and build it again.',
  ],
  [
    /^(?:set|manifest)-/,
    'It was damaged or changed on its way here: build it again. If that repeats, look at the disk and at who can write to incoming.',
  ],
];

/** One sentence, for every code. */
export function nextStepOf(code: string): string {
  const found = STEPS.find(([codes]) => codes.test(code));
  return found?.[1] ?? 'Correct what the reason says, raise the version and build it again.';
}
