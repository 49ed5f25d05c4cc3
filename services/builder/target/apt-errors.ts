/** Reads apt's explanations (LC_ALL=C): is a dependency missing, or could something not be fetched? */

export type AptFailure =
  { kind: 'unmet'; missing: string[] } | { kind: 'fetch'; line: string } | { kind: 'other'; line: string };

/** Reporting more helps nobody; apt repeats itself. */
const MAX_MISSING = 50;

const FETCH =
  /^E: (Failed to fetch|Unable to fetch|Some index files failed to download|Could not resolve|The repository)/m;
const UNMET =
  /^E: (Unable to correct problems|Unable to satisfy dependencies|Unmet dependencies|Build-dependencies for|Package '?[^ ]+'? has no installation candidate|Unable to locate package|Version '.*' for '.*' was not found)/m;

/** Forms in which apt 1.x to 3.x name what is missing; the first group is the dependency. */
const MISSING_FORMS = [
  // foo : Depends: bar (>= 2) but it is not installable
  /(?:^|[\s:])(?:Pre-)?Depends: (.+?) but (?:it is not (?:installable|going to be installed)|it is a virtual package|[^\n]+ is to be installed|[^\n]+ is installed)/gm,
  // 2. foo Depends bar (>= 2)
  /^\s+\d+\. .+ (?:Pre-)?Depends (.+?)(?: but none of the choices are installable:?)?$/gm,
  /^E: Unable to locate package (\S+)$/gm,
  /^E: Package '?([^ ']+)'? has no installation candidate$/gm,
  /^E: Version '.*' for '(.*)' was not found$/gm,
];

function firstError(text: string): string {
  return /^E: (.+)$/m.exec(text)?.[1] ?? 'apt gave no reason';
}

/** What went wrong in apt's output. */
export function readAptFailure(output: string): AptFailure {
  // A fetch that failed first makes dependencies look missing, so it is looked for first.
  if (FETCH.test(output)) return { kind: 'fetch', line: firstError(output) };
  const found = new Set<string>();
  for (const form of MISSING_FORMS) {
    for (const [, name] of output.matchAll(form)) if (name !== undefined) found.add(name.trim());
  }
  if (UNMET.test(output) || found.size > 0)
    return { kind: 'unmet', missing: [...found].slice(0, MAX_MISSING) };
  return { kind: 'other', line: firstError(output) };
}
