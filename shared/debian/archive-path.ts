/** Paths that come out of other people's indexes. */

/** Of one part: no dot in front, so neither `..` nor anything hidden; colons and percent signs are in third-party archives. */
const PART = '[A-Za-z0-9_~+@=,^%:-][A-Za-z0-9_.~+@=,^%:-]{0,199}';

/** Relative, within its folder, of harmless parts. At most 24 of them. */
export const CLOSED_PATH = new RegExp(`^(?:${PART}/){0,23}${PART}$`);

/** The path as it lies in an archive, without the `./` that some tools write; null for one that is not taken. */
export function archivePath(text: string): string | null {
  const path = text.replace(/^(?:\.\/)+/, '');
  return CLOSED_PATH.test(path) ? path : null;
}
