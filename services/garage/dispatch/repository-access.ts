/**
 * How targets reach what was built before: the product's first queue as live serves it. It is asked for over
 * HTTP like any apt client would, so that a build is never started that could not fetch from it; until it
 * answers builds wait, they do not fail.
 */
import type { Product } from '../../../shared/config/common.ts';
import type { ExtraSource } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';
import { answers, fetchKey, fetchStart } from './live-files.ts';
import { baseHosts, mirrorsOf, mirrorTrouble, mirrorUrl } from './mirror-sources.ts';
import { releasePin } from './release-pin.ts';

/** A rotated key, and a changed Release, is taken up after this time. */
const TTL_MS = 5 * 60_000;
/** What a Release says of itself stands before its sums. */
const RELEASE_HEAD_BYTES = 16 * 1024;

interface Remembered {
  text: string;
  fetchedMs: number;
}

export class RepositoryAccess {
  private readonly garage: Garage;
  private readonly answered = new Set<string>();
  private readonly remembered = new Map<string, Remembered>();

  constructor(garage: Garage) {
    this.garage = garage;
  }

  /** A queue (default: the first) as the product's apt source; null while key or product is not published yet. */
  async sourceFor(product: Product, queue = this.garage.common.queues[0].name): Promise<ExtraSource | null> {
    const key = await this.remember(this.url('archive-key.asc'), fetchKey);
    const release = this.url(`${queue}/dists/${product.name}/InRelease`);
    if (key === null || !(await this.hasAnswered(release))) return null;
    const source = { suites: [product.name], components: product.components, key };
    return { uris: [this.url(queue)], ...source, ...(await this.pinFor(product, release)) };
  }

  /** Why builds of a product have to wait, for the log; null when they need not. */
  async waitsFor(product: Product): Promise<string | null> {
    if ((await this.sourceFor(product)) === null) return 'its first queue is not served yet';
    const trouble = await mirrorTrouble(this.garage, product);
    if (trouble !== null) return trouble.message;
    for (const name of mirrorsOf(product)) {
      const url = mirrorUrl(this.garage, name);
      if (!(await this.hasAnswered(`${url}/mirror-key.asc`)))
        return `mirror '${name}' is not served at ${url}/`;
    }
    return null;
  }

  /** Where the base comes from live's own host, the queue's packages are told from it by their Release. */
  private async pinFor(product: Product, release: string): Promise<Pick<ExtraSource, 'pin'>> {
    const { hostname } = new URL(this.garage.config.repositoryUrl);
    if (!baseHosts(this.garage, product).has(hostname)) return {};
    const head = await this.remember(release, (url) => fetchStart(url, RELEASE_HEAD_BYTES));
    const pin = head === null ? null : releasePin(head);
    return pin === null ? {} : { pin };
  }

  /** What was known before stays good while the web server is away; the build decides. */
  private async remember(url: string, load: (url: string) => Promise<string | null>): Promise<string | null> {
    const known = this.remembered.get(url);
    if (known && Date.now() - known.fetchedMs < TTL_MS) return known.text;
    const text = await load(url);
    if (text !== null) this.remembered.set(url, { text, fetchedMs: Date.now() });
    return text ?? known?.text ?? null;
  }

  private async hasAnswered(url: string): Promise<boolean> {
    if (!this.answered.has(url) && (await answers(url))) this.answered.add(url);
    return this.answered.has(url);
  }

  private url(name: string): string {
    return `${this.garage.config.repositoryUrl.replace(/\/+$/, '')}/${name}`;
  }
}
