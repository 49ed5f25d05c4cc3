/**
 * Local mirrors as sources of products: by name in the configuration, with address, suites, components and key in jobs.
 * Builders fetch from where live shows mirrors, and trust the key that lies there beside each.
 */
import type { Product } from '../../../shared/config/common.ts';
import {
  sourcesFor,
  type ExtraProductSource,
  type ProductSource,
} from '../../../shared/config/product-source.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { AptSource, ExtraSource } from '../../../shared/protocol/job.ts';
import { partsOf, readMirrors, type Mirrors } from '../../../shared/protocol/mirrors.ts';
import type { Garage } from '../context.ts';
import { fetchKey } from './live-files.ts';

type Place = Pick<Garage, 'config' | 'pool'>;

/** Where builders reach a mirror. */
export function mirrorUrl({ config }: Pick<Garage, 'config'>, name: string): string {
  const all = config.mirrorsUrl ?? `${config.repositoryUrl.replace(/\/+$/, '')}/mirror`;
  return `${all.replace(/\/+$/, '')}/${name}`;
}

/** Hosts that a product's base is fetched from. */
export function baseHosts(garage: Pick<Garage, 'config'>, { sources }: Product): Set<string> {
  const uris = sources.flatMap(({ mirror, uris: own = [] }) =>
    mirror === undefined ? own : [mirrorUrl(garage, mirror)],
  );
  return new Set(uris.map((uri) => new URL(uri).hostname));
}

/** What a product's base is made from. Throws as {@link partsOf} does, and `mirror-not-served`. */
export function baseSources(garage: Place, { sources }: Product, architecture: string): Promise<AptSource[]> {
  return fillIn(garage, sourcesFor<Written>(sources, architecture), architecture);
}

/** What builds see beside base and queue. Throws as {@link baseSources}. */
export function furtherSources(
  garage: Place,
  { extraSources }: Product,
  architecture: string,
): Promise<ExtraSource[]> {
  return fillIn(garage, sourcesFor<Written>(extraSources, architecture), architecture);
}

type Written = ProductSource & Pick<ExtraProductSource, 'pin'>;
type Chosen = Omit<Written, 'architectures'>;

async function fillIn(garage: Place, sources: Chosen[], architecture: string): Promise<ExtraSource[]> {
  if (sources.every(({ mirror }) => mirror === undefined)) return sources.map(whole);
  const mirrors = await readMirrors(garage.pool);
  const filled: ExtraSource[] = [];
  for (const { mirror, ...source } of sources) {
    if (mirror === undefined) filled.push(whole(source));
    else filled.push(...(await fromMirror(garage, mirrors, { ...source, mirror }, architecture)));
  }
  return filled;
}

/** Its schema has seen to it that what is not the mirror's to say is there. */
function whole({ mirror: _filledIn, uris = [], suites = [], components = [], ...rest }: Chosen): ExtraSource {
  return { ...rest, uris, suites, components };
}

async function fromMirror(
  garage: Place,
  mirrors: Mirrors,
  source: Chosen & { mirror: string },
  architecture: string,
): Promise<ExtraSource[]> {
  const parts = partsOf(mirrors, source, architecture);
  const url = mirrorUrl(garage, source.mirror);
  const key = await fetchKey(`${url}/mirror-key.asc`);
  if (key === null) throw notServed(source.mirror, url);
  return parts.map((part) => ({ ...whole(source), ...part, uris: [url], key }));
}

function notServed(name: string, url: string): AppError {
  return new AppError('mirror-not-served', `The mirror '${name}' is not to be found at ${url}/`, {
    hint: 'Is the web server up, does it show mirrors (docs/mirror.md), are repositoryUrl and mirrorsUrl of garage right?',
  });
}

/** A source of the configuration that cannot be had as it is. */
export interface MirrorProblem {
  product: string;
  list: 'sources' | 'extraSources';
  index: number;
  error: AppError;
}

/** The first problem of every source that names a mirror: all but whether live shows it. */
export function mirrorProblems(
  mirrors: Mirrors,
  product: Pick<Product, 'name' | 'architectures' | 'sources' | 'extraSources'>,
): MirrorProblem[] {
  return (['sources', 'extraSources'] as const).flatMap((list) =>
    product[list].flatMap(({ mirror, ...use }, index) => {
      if (mirror === undefined) return [];
      try {
        for (const architecture of use.architectures ?? product.architectures)
          partsOf(mirrors, { mirror, ...use }, architecture);
        return [];
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        return [{ product: product.name, list, index, error }];
      }
    }),
  );
}

/** Names of the mirrors that a product takes something from. */
export function mirrorsOf({ sources, extraSources }: Pick<Product, 'sources' | 'extraSources'>): string[] {
  return [...new Set([...sources, ...extraSources].flatMap(({ mirror }) => mirror ?? []))];
}

/** Why builds of a product cannot have its mirrors, as the tables say; null when they can. */
export async function mirrorTrouble(
  garage: Pick<Garage, 'pool'>,
  product: Product,
): Promise<AppError | null> {
  if (mirrorsOf(product).length === 0) return null;
  return mirrorProblems(await readMirrors(garage.pool), product)[0]?.error ?? null;
}
