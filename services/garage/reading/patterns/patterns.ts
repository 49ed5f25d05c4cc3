/** All patterns, and what stands in for them while a long log is read. */
import { BUILD_SYSTEMS } from './build-systems.ts';
import { COMPILERS } from './compilers.ts';
import { LANGUAGES } from './languages.ts';
import { MACHINES } from './machines.ts';
import { PACKAGING } from './packaging.ts';
import type { ErrorPattern } from './pattern.ts';

/** Machines first: a full disk says its own words in any tool's. */
const ALL: readonly ErrorPattern[] = [
  ...MACHINES,
  ...PACKAGING,
  ...BUILD_SYSTEMS,
  ...COMPILERS,
  ...LANGUAGES,
];

/** The first match counts, so what is certain goes before what is only likely. */
export const PATTERNS: readonly ErrorPattern[] = [
  ...ALL.filter(({ trust }) => trust === 'certain'),
  ...ALL.filter(({ trust }) => trust === 'likely'),
];

/** One of these words is in every line that a pattern may take: most lines are settled by one look. */
const WORDS =
  /error|fail|panic|unmet|depends|no rule|no such|not found|cannot|can't|unable|could ?n[o']t|\*\*\*|reject|apply|ignored|aborting|missing|undefined|multiple definition|exception|mismatch|exhausted|memory|killed|no space|quota|resol|lookup|getaddrinfo|unreachable|refused|fault|illegal|core dumped|aborted|denied|read-only|not permitted|exists in debian|near line|locate|candidate|no required|no package called| at .* line |\.go:\d|duplicate symbol|relocation|not recognized|no dependency|no targets/i;

/** What this line is when it is an error of a known kind. Lines of a build's own stop are none (stops.ts). */
export function matchError(line: string): { pattern: ErrorPattern; groups: Record<string, string> } | null {
  if (!WORDS.test(line)) return null;
  for (const pattern of PATTERNS) {
    const match = pattern.line.exec(line);
    if (match) return { pattern, groups: { ...match.groups } };
  }
  return null;
}
