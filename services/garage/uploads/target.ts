/** Whether a .changes is for this product: its name, Distribution and sections. */
import { changesFileNameMatches, type Changes } from '../../../shared/debian/changes.ts';
import { dscFileName } from '../../../shared/debian/dsc.ts';
import { isKnownSection } from '../../../shared/debian/sections.ts';
import type { Product } from '../../../shared/config/common.ts';
import { isBinaryName } from './binaries.ts';
import { reject } from './rejection.ts';
import type { Context } from './verify.ts';

/** Name and Distribution of a .changes. */
export function checkTarget({ garage, upload, product }: Context, changes: Changes): void {
  if (!changesFileNameMatches(upload.trigger, changes)) {
    const expected = `${dscFileName(changes.source, changes.version).slice(0, -'.dsc'.length)}_*.changes`;
    throw reject('file-name-conflict', { file: upload.trigger, expected });
  }
  const { distribution } = changes;
  const taken = takenDistributions(product, garage.common.queues[0].name);
  if (taken.includes(distribution)) return;
  if (distribution === 'UNRELEASED') throw reject('changelog-unfinished', { product: product.name });
  const others = garage.common.products.filter(
    (each) => each.name === distribution || each.distributions.includes(distribution),
  );
  const [other] = others;
  if (other) {
    throw reject('distribution-elsewhere', { distribution, product: product.name, other: other.name });
  }
  throw reject('distribution-mismatch', { distribution, product: product.name, taken: taken.join(', ') });
}

/** What Distribution may say for a product: its name, the queue that uploads enter, and names of its own. */
function takenDistributions(product: Product, queue: string): string[] {
  return [product.name, queue, 'unstable', ...product.distributions];
}

/** The component that the source's section names; warns of sections the archive does not know, and of binaries. */
export function checkSections({ product, facts }: Context, changes: Changes): string {
  const unknown = changes.files.filter(({ section }) => section !== '-' && !isKnownSection(section));
  for (const { name, section } of unknown) facts.warnings.push(`${name}: unknown section '${section}'`);
  const binaries = changes.files.filter(({ name }) => isBinaryName(name));
  if (binaries.length > 0 && product.binaryUploads === 'discard') {
    facts.warnings.push(
      `${String(binaries.length)} uploaded binaries are kept but not published; they are built here from source`,
    );
  }
  return componentOf(product, changes.dsc?.section);
}

/** The component that a source's section names: `contrib/net`. Rejects `component-unknown`. */
export function componentOf(product: Product, section = ''): string {
  const area = section.includes('/') ? section.split('/')[0] : undefined;
  const component = area ?? product.components[0] ?? 'main';
  if (product.components.includes(component)) return component;
  const components = product.components.join(', ');
  throw reject('component-unknown', { product: product.name, component, components });
}
