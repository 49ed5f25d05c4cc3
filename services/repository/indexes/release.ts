/** What Release says of a product in a queue. */
import type { CommonConfig, Product, Queue } from '../../../shared/config/common.ts';
import type { RepositoryConfig } from '../config.ts';
import type { FormName } from './forms/form.ts';
import { debugComponents, type IndexScope } from './kinds/scope.ts';
import type { Offer } from './write.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { releaseFile, type ReleaseIndex } from '../../../shared/debian/indexes.ts';

const DAY_MS = 24 * 3600 * 1000;

/** Everything but its packages that a generation is made from. */
export interface ReleaseShape extends IndexScope, Offer {
  origin: string;
  label: string;
  suite: string;
  codename: string;
  description: string;
  changelogs: string | null;
  queue: string;
  product: string;
  components: string[];
  architectures: string[];
  debugComponents: boolean;
  translations: boolean;
  contents: boolean;
  contentsSource: boolean;
  notAutomatic: boolean;
  validDays: number | null;
  compression: FormName[];
  plain: boolean;
  md5: boolean;
  /** Of the key that signs it. */
  fingerprint: string;
}

/** What the configuration asks for now; throws `queue-unknown` or `product-unknown`. */
export function releaseShape(
  common: CommonConfig,
  at: { queue: string; product: string },
  config: RepositoryConfig,
  fingerprint: string,
): ReleaseShape {
  const queue = requireQueue(common, at.queue);
  const product = requireProduct(common, at.product);
  return {
    ...releaseNames(common, config, { queue, product }),
    queue: queue.name,
    product: product.name,
    components: product.components,
    architectures: product.architectures,
    debugComponents: config.debugSymbols === 'separate',
    translations: config.translations,
    contents: config.contents,
    contentsSource: config.contentsSource,
    notAutomatic: queue.notAutomatic,
    validDays: config.validDays ?? null,
    compression: config.compression,
    plain: config.plainIndexes,
    md5: config.md5,
    // Left out when off, as before there was such a thing.
    ...(config.pdiffs ? { pdiffs: true } : {}),
    fingerprint,
  };
}

type ReleaseNames = Pick<
  ReleaseShape,
  'origin' | 'label' | 'suite' | 'codename' | 'description' | 'changelogs'
>;

/** The product's own, else the queue's, else the archive's, with their words filled in. */
function releaseNames(
  { name }: CommonConfig,
  { release }: RepositoryConfig,
  { queue, product }: { queue: Queue; product: Product },
): ReleaseNames {
  const words: Record<string, string> = { name, queue: queue.name, product: product.name };
  const of = (key: keyof ReleaseNames): string | undefined =>
    product.release?.[key] ?? queue.release?.[key] ?? release[key];
  const filled = (key: keyof ReleaseNames): string =>
    (of(key) ?? '').replaceAll(/\{(name|queue|product)\}/g, (_, word: string) => words[word] ?? '');
  return {
    ...{ origin: filled('origin'), label: filled('label'), suite: filled('suite') },
    ...{ codename: filled('codename'), description: filled('description') },
    changelogs: of('changelogs') ?? null,
  };
}

export function requireQueue(common: CommonConfig, name: string): Queue {
  const queue = common.queues.find((each) => each.name === name);
  if (queue) return queue;
  throw new AppError('queue-unknown', `There is no queue '${name}'`, {
    hint: `Configured are: ${common.queues.map((each) => each.name).join(', ')}.`,
  });
}

export function requireProduct(common: CommonConfig, name: string): Product {
  const product = common.products.find((each) => each.name === name);
  if (product) return product;
  throw new AppError('product-unknown', `There is no product '${name}'`, {
    hint: `Configured are: ${common.products.map((each) => each.name).join(', ')}.`,
  });
}

/**
 * The text of Release. By default Suite and Codename are the product's name, so that a client's pinning and its
 * sources.list survive a promotion, and Label tells the queues apart.
 */
export function releaseText(shape: ReleaseShape, date: Date, files: readonly ReleaseIndex[]): string {
  const hasIndexes = (component: string): boolean =>
    files.some((file) => file.path.startsWith(`${component}/`));
  return releaseFile({
    ...{ origin: shape.origin, label: shape.label, suite: shape.suite, codename: shape.codename },
    date,
    ...(shape.validDays === null ? {} : { validUntil: new Date(date.getTime() + shape.validDays * DAY_MS) }),
    architectures: shape.architectures,
    components: [...shape.components, ...debugComponents(shape).filter(hasIndexes)],
    description: shape.description,
    ...(shape.changelogs === null ? {} : { changelogs: shape.changelogs }),
    acquireByHash: true,
    notAutomatic: shape.notAutomatic,
    butAutomaticUpgrades: shape.notAutomatic,
    files,
  });
}

/** True when a Valid-Until written at `createdAt` has used half of its time. */
export function isRenewalDue(shape: ReleaseShape, createdAt: Date, now: Date): boolean {
  if (shape.validDays === null) return false;
  return now.getTime() - createdAt.getTime() > (shape.validDays * DAY_MS) / 2;
}
