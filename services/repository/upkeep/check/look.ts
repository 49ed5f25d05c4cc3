/** One look at a product in a queue: what each part of a check is given. */
import type { Repository } from '../../context.ts';
import { placesOf, type QueuePlaces } from '../../places.ts';
import { targetsOf, type Target } from '../../sync/targets.ts';
import type { Facts } from './facts.ts';
import type { Finding, FindingCode } from './findings.ts';
import type { Sums } from './sums.ts';

export interface Look {
  repository: Repository;
  queue: string;
  product: string;
  places: QueuePlaces;
  facts: Facts;
  sums: Sums;
  /** True when the content of this subject is to be read, and not only its size and time. */
  isRead(subject: string): boolean;
  found: Finding[];
}

export function makeLook(
  repository: Repository,
  at: { queue: string; product: string },
  part: Pick<Look, 'facts' | 'sums' | 'isRead'>,
): Look {
  const { queue, product } = at;
  return {
    repository,
    queue,
    product,
    ...part,
    places: placesOf(repository.home, queue, product),
    found: [],
  };
}

export function report(
  look: Look,
  code: FindingCode,
  subject: string,
  detail: string,
  copies: string[] = [],
): void {
  const { queue, product } = look;
  look.found.push({ code, queue, product, subject, detail, copies, outcome: null });
}

/** Targets of this queue that are folders of this machine, with their folder. */
export function localTargets(look: Pick<Look, 'repository' | 'queue'>): { target: Target; root: string }[] {
  return targetsOf(look.repository).flatMap((target) =>
    target.location.kind === 'local' && target.queues.includes(look.queue)
      ? [{ target, root: target.location.path }]
      : [],
  );
}
