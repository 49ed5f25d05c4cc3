/** What the `aptly` program lists of a repo or snapshot, in aptly's own pool. */
import type { ImportSource } from './candidate.ts';

export function openAptlyList(
  _root: string,
  _what: 'repo' | 'snapshot',
  _name: string,
): Promise<ImportSource> {
  throw new Error('soon');
}
