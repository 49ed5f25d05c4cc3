import { contentsDebKind, contentsSourceKind, contentsUdebKind } from './contents.ts';
import type { IndexKind } from './kind.ts';
import { packagesKind, sourcesKind } from './packages.ts';
import { translationKind } from './translation.ts';

/** Every kind of index that a generation may have. */
export const KINDS: readonly IndexKind[] = [
  ...[packagesKind, sourcesKind, translationKind],
  ...[contentsDebKind, contentsUdebKind, contentsSourceKind],
];
