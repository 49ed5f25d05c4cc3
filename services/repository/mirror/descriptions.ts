/**
 * Descriptions that an archive keeps in Translation-en are put back into the stanzas that are chosen of it; the indexes
 * that are written of these have a Translation-en of their own.
 */
import { descriptionMd5 } from '../../../shared/debian/description.ts';
import { scanStanza } from '../../../shared/debian/stanza-stream.ts';
import type { FetchedIndex } from './indexes.ts';
import { readFetched } from './indexes.ts';

const MD5 = 'description-md5';
const ENGLISH = 'description-en';
const STANZA_FIELDS = new Set([MD5]);
const TRANSLATION_FIELDS = new Set([MD5, ENGLISH]);

/** True for an index of English descriptions. */
export function holdsDescriptions({ path }: FetchedIndex): boolean {
  return path.endsWith('/i18n/Translation-en');
}

/** The sum that joins a stanza to its description; null when the description is in the stanza. */
export function descriptionSum(stanza: string): string | null {
  return scanStanza(stanza, STANZA_FIELDS).get(MD5) ?? null;
}

/** The descriptions that these sums mean, by sum. */
export async function readDescriptions(
  indexes: readonly FetchedIndex[],
  sums: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const index of sums.size > 0 ? indexes : []) {
    await readFetched(index, (text) => {
      const fields = scanStanza(text, TRANSLATION_FIELDS);
      const [sum, description] = [fields.get(MD5) ?? '', fields.get(ENGLISH) ?? ''];
      if (sums.has(sum) && descriptionMd5(description) === sum) found.set(sum, description);
    });
  }
  return found;
}

/** The stanza with its whole description, if it is known. */
export function withDescription(stanza: string, descriptions: ReadonlyMap<string, string>): string {
  const description = descriptions.get(descriptionSum(stanza) ?? '');
  if (description === undefined) return stanza;
  const rest = stanza.replace(/^Description-md5:.*\n?/im, '');
  return rest.replace(/^Description:.*(?:\n[ \t].*)*/im, () => `Description: ${description}`);
}
