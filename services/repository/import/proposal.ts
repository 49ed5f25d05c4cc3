/** The configuration that keeps an imported repository what it was to its clients, as far as ours differs. */
import { stringify } from 'yaml';
import type { RepositoryFacts } from './candidate.ts';

interface Present {
  /** The archive's. */
  name: string;
  queue: { name: string; notAutomatic: boolean };
  product: { name: string; components: readonly string[]; architectures: readonly string[] };
}

/** YAML for autobuilder.yaml, or null when there is nothing to change. Comments say what has no setting. */
export function proposedConfiguration(facts: RepositoryFacts, present: Present): string | null {
  const { queue, product } = present;
  const wanted: Record<string, unknown> = {};
  if (facts.origin !== undefined && facts.origin !== present.name) wanted['name'] = facts.origin;
  const settings: Record<string, unknown> = {};
  if (lacking(facts.components, product.components))
    settings['components'] = union(product.components, facts.components);
  if (lacking(facts.architectures, product.architectures)) {
    settings['architectures'] = union(product.architectures, facts.architectures);
  }
  if (Object.keys(settings).length > 0) wanted['products'] = { [product.name]: settings };
  if (facts.notAutomatic !== undefined && facts.notAutomatic !== queue.notAutomatic) {
    wanted['queues'] = { [queue.name]: { notAutomatic: facts.notAutomatic } };
  }
  const comments = commentsOf(facts, present);
  if (Object.keys(wanted).length === 0 && comments.length === 0) return null;
  const text = Object.keys(wanted).length === 0 ? '' : stringify(wanted);
  return [...comments.map((line) => `# ${line}`), text].join('\n').trimEnd();
}

function lacking(theirs: readonly string[], ours: readonly string[]): boolean {
  return theirs.some((each) => !ours.includes(each));
}

function union(ours: readonly string[], theirs: readonly string[]): string[] {
  return [...new Set([...ours, ...theirs])];
}

/** What a client sees that is made from the names of queue and product here. */
function commentsOf(facts: RepositoryFacts, { name, queue, product }: Present): string[] {
  const ours = {
    Label: [facts.label, `${facts.origin ?? name} ${queue.name}`],
    Suite: [facts.suite, product.name],
    Codename: [facts.codename, product.name],
  };
  return Object.entries(ours).flatMap(([field, [theirs, own]]) =>
    theirs === undefined || theirs === own
      ? []
      : [
          `${field} was '${theirs}' and becomes '${own ?? ''}': clients must accept that once (apt-get update --allow-releaseinfo-change)`,
        ],
  );
}
