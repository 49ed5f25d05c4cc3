/** Criteria of a filter that nothing in the archive meets, so that a mistyped name is not silence. */
import type { MirrorFilter } from './definition.ts';
import { matchesGlob, matchesSection } from './filter.ts';

interface Seen {
  name: string;
  section: string;
  priority: string | null;
}

interface Criterion {
  /** As it is typed. */
  says: string;
  isMet(each: Seen): boolean;
}

function named(option: string, globs: readonly string[]): Criterion[] {
  return globs.map((glob) => ({ says: `${option} ${glob}`, isMet: ({ name }) => matchesGlob(glob, name) }));
}

export class UnmetCriteria {
  #left: Criterion[];

  constructor({ packages, sections, priorities, also }: MirrorFilter) {
    this.#left = [
      ...named('--package', packages),
      ...sections.map((wanted) => ({
        says: `--section ${wanted}`,
        isMet: ({ section }: Seen) => matchesSection(wanted, section),
      })),
      ...priorities.map((wanted) => ({
        says: `--priority ${wanted}`,
        isMet: ({ priority }: Seen) => priority === wanted,
      })),
      ...named('--also', also),
    ];
  }

  /** One package of the archive, chosen or not. */
  see(each: Seen): void {
    if (this.#left.some((criterion) => criterion.isMet(each)))
      this.#left = this.#left.filter((criterion) => !criterion.isMet(each));
  }

  /** Those that nothing met so far. */
  get left(): string[] {
    return this.#left.map(({ says }) => says);
  }
}
