/** The public key at the roots that clients know: of staging and of each queue; rqp takes it to live. */
import path from 'node:path';
import type { Repository } from '../context.ts';
import { replaceIfDifferent } from './archive-key.ts';

export const PUBLIC_KEY_NAMES = ['archive-key.asc', 'archive-key.gpg'] as const;

/** Writes `archive-key.asc` and `archive-key.gpg` where they are missing or old. */
export async function publishKey(repository: Pick<Repository, 'home' | 'common' | 'signer'>): Promise<void> {
  const { armored, binary } = repository.signer.publicKey;
  const roots = [
    repository.home.staging,
    ...repository.common.queues.map((queue) => path.join(repository.home.staging, queue.name)),
  ];
  for (const root of roots) {
    await replaceIfDifferent(path.join(root, 'archive-key.asc'), Buffer.from(armored));
    await replaceIfDifferent(path.join(root, 'archive-key.gpg'), binary);
  }
}
