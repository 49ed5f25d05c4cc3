/**
 * How targets reach what was built before: the product's first queue as live serves it. It is asked for over
 * HTTP like any apt client would, so that a build is never started that could not fetch from it; until it
 * answers builds wait, they do not fail.
 */
import type { Product } from '../../../shared/config/common.ts';
import type { AptSource } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';

/** A local web server answers in milliseconds, a far one within seconds. */
const FETCH_TIMEOUT_MS = 10_000;
/** An armored key with many signatures has some tens of kilobytes. */
const MAX_KEY_BYTES = 256 * 1024;
/** A rotated key is taken up after this time. */
const KEY_TTL_MS = 5 * 60_000;

export class RepositoryAccess {
  private readonly garage: Garage;
  private readonly published = new Set<string>();
  private key: { text: string; fetchedMs: number } | undefined;

  constructor(garage: Garage) {
    this.garage = garage;
  }

  /** A queue (default: the first) as the product's apt source; null while key or product is not published yet. */
  async sourceFor(product: Product, queue = this.garage.common.queues[0].name): Promise<AptSource | null> {
    const key = await this.archiveKey();
    if (key === null || !(await this.isPublished(queue, product.name))) return null;
    return { uris: [this.url(queue)], suites: [product.name], components: product.components, key };
  }

  private async archiveKey(): Promise<string | null> {
    if (this.key && Date.now() - this.key.fetchedMs < KEY_TTL_MS) return this.key.text;
    const text = await fetchText(this.url('archive-key.asc'));
    if (text?.startsWith('-----BEGIN PGP PUBLIC KEY BLOCK-----') === true) {
      this.key = { text, fetchedMs: Date.now() };
    }
    // One known before stays good while the web server is away; the build decides.
    return this.key?.text ?? null;
  }

  private async isPublished(queue: string, product: string): Promise<boolean> {
    const name = `${queue}/dists/${product}/InRelease`;
    if (!this.published.has(name) && (await answers(this.url(name)))) this.published.add(name);
    return this.published.has(name);
  }

  private url(name: string): string {
    return `${this.garage.config.repositoryUrl.replace(/\/+$/, '')}/${name}`;
  }
}

async function fetchText(url: string): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return null;
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > MAX_KEY_BYTES) return null;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch {
    return null; // not there yet; the next round asks again
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
