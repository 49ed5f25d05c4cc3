/**
 * Descriptions in two places: `Packages` keeps the first line, `Translation-en` the whole, and
 * `Description-md5` joins them. Works on stanzas as text, since an archive has as many as it has packages.
 */
import { createHash } from 'node:crypto';

/** The sum by which `Translation-en` is joined to `Packages`: of the whole description and a line end. */
export function descriptionMd5(description: string): string {
  return createHash('md5').update(`${description}\n`).digest('hex');
}

const FIELD = 'Description: ';
/** A stanza of an archive that has its descriptions elsewhere: there is nothing to shorten. */
const JOINED = '\nDescription-md5: ';

/** Where the description's value begins and ends in a stanza, its line end left out; null when it has none. Never first: that is Package. */
function findDescription(stanza: string): { start: number; end: number } | null {
  const found = stanza.indexOf(`\n${FIELD}`) + 1;
  if (found === 0 || stanza.includes(JOINED)) return null;
  const start = found + FIELD.length;
  let end = stanza.indexOf('\n', start);
  while (end >= 0 && (stanza[end + 1] === ' ' || stanza[end + 1] === '\t'))
    end = stanza.indexOf('\n', end + 1);
  return { start, end: end < 0 ? stanza.length : end };
}

/** The stanza with the description's first line only, and with `Description-md5`. */
export function shortenDescription(stanza: string): string {
  const found = findDescription(stanza);
  if (!found) return stanza;
  const description = stanza.slice(found.start, found.end);
  const short = description.split('\n', 1)[0] ?? '';
  const head = stanza.slice(0, found.start) + short;
  return `${head}\nDescription-md5: ${descriptionMd5(description)}${stanza.slice(found.end)}`;
}

/** The stanza of `Translation-en`, without the empty line after it; null for a package without description. */
export function translationStanza(name: string, stanza: string): string | null {
  const found = findDescription(stanza);
  if (!found) return null;
  const description = stanza.slice(found.start, found.end);
  return `Package: ${name}\nDescription-md5: ${descriptionMd5(description)}\nDescription-en: ${description}\n`;
}
