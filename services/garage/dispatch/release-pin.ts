/** How apt tells a queue's packages from others of the same host: by what its Release says (apt_preferences(5)). */
import type { ExtraSource } from '../../../shared/protocol/job.ts';

/** apt_preferences(5)'s letters. Without a name of its own a queue is not to be told from others. */
const LETTERS = { Origin: 'o', Label: 'l', Codename: 'n' } as const;
/** What a pin may hold; a comma would begin the next part. */
const WORDS = /^[A-Za-z0-9 ._+~/-]+$/;
/** apt's own for what is neither installed nor marked NotAutomatic: as a base's packages have. */
const PRIORITY = 500;

/** Makes the queue equal to the base; null when its Release says nothing that a pin can hold. */
export function releasePin(release: string): ExtraSource['pin'] | null {
  const parts = Object.entries(LETTERS).flatMap(([field, letter]) => {
    const value = new RegExp(`^${field}: *(.*?) *$`, 'm').exec(release)?.[1] ?? '';
    return WORDS.test(value) ? [`${letter}=${value}`] : [];
  });
  if (!parts.some((part) => part.startsWith('l=') || part.startsWith('o='))) return null;
  return { priority: PRIORITY, packages: ['*'], release: parts.join(',') };
}
