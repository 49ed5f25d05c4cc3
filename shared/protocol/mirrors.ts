/**
 * Local mirrors as sources of products, read from the repository's table (tables.ts): by garage for jobs and by the
 * command line for `config check`, so that both say the same.
 */
import { z } from 'zod';
import type { Queryable } from '../database/pool.ts';
import { AppError } from '../errors/app-error.ts';

/** What of a suite clients find in the mirror; nothing of it before the first update. */
const held = z.object({
  components: z.array(z.string()).default([]),
  architectures: z.array(z.string()).default([]),
});

interface Mirror {
  name: string;
  /** What the last update said, when it failed. */
  error: string | null;
  /** By suite, in the order in which they were given. */
  suites: Map<string, z.infer<typeof held>>;
}
/** By name. */
export type Mirrors = ReadonlyMap<string, Mirror>;

/** All that there are; none before the repository service has ever run. */
export async function readMirrors(database: Queryable): Promise<Mirrors> {
  const { rows: there } = await database.query<{ there: boolean }>(
    `select to_regclass('repository.mirrors') is not null as there`,
  );
  if (there[0]?.there !== true) return new Map();
  const { rows } = await database.query<{
    name: string;
    error: string | null;
    wanted: string[];
    releases: unknown;
  }>(`select name, error, suites as wanted, case when generation is null then '{}' else releases end as releases
        from repository.mirrors order by name`);
  return new Map(
    rows.map(({ name, error, wanted, releases }) => {
      const byName = z.record(z.string(), held).parse(releases);
      const suites = wanted.flatMap((suite) => {
        const own = byName[suite];
        return own === undefined || own.components.length === 0 ? [] : [[suite, own] as const];
      });
      return [name, { name, error, suites: new Map(suites) }];
    }),
  );
}

/** What is asked of a mirror; default: all of its suites and components. */
export interface MirrorUse {
  mirror: string;
  suites?: readonly string[] | undefined;
  components?: readonly string[] | undefined;
}

/** Suites that are taken together. */
export interface MirrorPart {
  suites: string[];
  components: string[];
}

/**
 * The suites of a mirror with their components, for an architecture. Throws `mirror-unknown`, `mirror-not-updated`
 * and `mirror-lacks`, each with what to do about it.
 */
export function partsOf(mirrors: Mirrors, use: MirrorUse, architecture: string): MirrorPart[] {
  const mirror = requireUpdated(mirrors, use.mirror);
  const parts = new Map<string, MirrorPart>();
  for (const suite of use.suites ?? mirror.suites.keys()) {
    const own = mirror.suites.get(suite);
    if (own === undefined) throw lacks(mirror, 'suite', suite, [...mirror.suites.keys()]);
    if (!own.architectures.includes(architecture))
      throw lacks(mirror, 'architecture', architecture, own.architectures, suite);
    const components = [...(use.components ?? own.components)];
    for (const each of components) {
      if (!own.components.includes(each)) throw lacks(mirror, 'component', each, own.components, suite);
    }
    const key = components.join(' ');
    const part = parts.get(key) ?? { suites: [], components };
    part.suites.push(suite);
    parts.set(key, part);
  }
  return [...parts.values()];
}

function requireUpdated(mirrors: Mirrors, name: string): Mirror {
  const mirror = mirrors.get(name);
  if (mirror === undefined) {
    const known = mirrors.size === 0 ? 'there are none yet' : `there are: ${[...mirrors.keys()].join(', ')}`;
    throw new AppError('mirror-unknown', `There is no mirror '${name}'; ${known}`, {
      hint: `Add it: autobuilder mirror add ${name} URL SUITE... --keyring FILE`,
    });
  }
  if (mirror.suites.size > 0) return mirror;
  const why = mirror.error === null ? '' : `; the last try said: ${mirror.error}`;
  throw new AppError('mirror-not-updated', `The mirror '${name}' holds nothing yet${why}`, {
    hint: `Fill it: autobuilder mirror update ${name}`,
  });
}

const CHANGES = {
  suite: '--suite for each that it shall hold',
  component: '--component for each that it shall hold',
  architecture: '--architecture for each that it shall hold',
};

function lacks(
  { name }: Mirror,
  what: keyof typeof CHANGES,
  wanted: string,
  there: readonly string[],
  suite?: string,
): AppError {
  const where = suite === undefined ? '' : ` in '${suite}'`;
  const message = `The mirror '${name}' has no ${what} '${wanted}'${where}; it has: ${there.join(' ')}`;
  return new AppError('mirror-lacks', message, {
    hint: `Name what it has, or: autobuilder mirror set ${name} ${CHANGES[what]}, then: autobuilder mirror update ${name}`,
  });
}
