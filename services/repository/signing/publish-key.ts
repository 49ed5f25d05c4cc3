/** The public keyring at the roots that clients know: of staging and of each queue; rqp takes it to live. */
import path from 'node:path';
import { replaceIfDifferent } from '../../../shared/files/durable.ts';
import type { Repository } from '../context.ts';

export const PUBLIC_KEY_NAMES = ['archive-key.asc', 'archive-key.gpg'] as const;

/**
 * Writes `archive-key.asc` and `archive-key.gpg`, every key that clients should know, where they are missing or
 * old. True when something was written.
 */
export async function publishKey(
  repository: Pick<Repository, 'home' | 'common' | 'signer'>,
): Promise<boolean> {
  const { armored, binary } = repository.signer.publicKey;
  const contents = { 'archive-key.asc': Buffer.from(armored), 'archive-key.gpg': binary };
  const queues = repository.common.queues.map((queue) => path.join(repository.home.staging, queue.name));
  let isChanged = false;
  for (const root of [repository.home.staging, ...queues]) {
    for (const name of PUBLIC_KEY_NAMES) {
      if (await replaceIfDifferent(path.join(root, name), contents[name])) isChanged = true;
    }
  }
  return isChanged;
}
