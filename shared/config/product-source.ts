/** Where a product's packages come from: an apt source, or a local mirror of one by its name (docs/mirror.md). */
import { z } from 'zod';
import { aptSource, extraSource } from '../protocol/job.ts';
import { architectureName, mirrorName } from '../protocol/names.ts';

const more = {
  /** Not every archive has every architecture in each of its suites. Default: it serves all of the product's. */
  architectures: z.array(architectureName).min(1).optional(),
  /** In place of addresses and key. Suites and components default to all that the mirror holds. */
  mirror: mirrorName.optional(),
};

/** What an apt source must say, and what a mirror's definition says. */
const NEEDED = ['uris', 'suites', 'components'] as const;
const DEFINED = ['uris', 'key', 'keyring'] as const;

interface Written {
  mirror?: string | undefined;
  uris?: unknown;
  suites?: unknown;
  components?: unknown;
  key?: unknown;
  keyring?: unknown;
  pin?: { release?: string | undefined } | undefined;
}

/** Either the one or the other, and each of them whole. */
function requireOneKind(source: Written, context: z.RefinementCtx): void {
  const problem = (key: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [key], message });
  if (source.mirror === undefined) {
    for (const key of NEEDED.filter((each) => source[each] === undefined))
      problem(key, 'must be a list; write for example [one, two], or name a local mirror instead');
    return;
  }
  for (const key of DEFINED.filter((each) => source[each] !== undefined))
    problem(key, `is what mirror '${source.mirror}' says; write one of the two`);
  if (source.pin !== undefined && source.pin.release === undefined) {
    const message =
      "must have a release such as 'o=Example,n=bookworm': by its host it would hold for the queues as well";
    problem('pin', message);
  }
}

export const productSource = aptSource
  .partial({ uris: true, suites: true, components: true })
  .extend(more)
  .superRefine(requireOneKind);
export const extraProductSource = extraSource
  .partial({ uris: true, suites: true, components: true })
  .extend(more)
  .superRefine(requireOneKind);
export type ProductSource = z.infer<typeof productSource>;
export type ExtraProductSource = z.infer<typeof extraProductSource>;

/** The sources of a list that serve an architecture, as jobs take them. */
export function sourcesFor<T extends { architectures?: string[] | undefined }>(
  sources: readonly T[],
  architecture: string,
): Omit<T, 'architectures'>[] {
  return sources
    .filter((source) => source.architectures?.includes(architecture) ?? true)
    .map((source) => {
      const own = { ...source };
      delete own.architectures;
      return own;
    });
}
