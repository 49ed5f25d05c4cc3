/** Section and Priority as the archive wants them, put into a stanza of an index. */
import { formatParagraph, parseParagraph } from './deb822.ts';
import { inOrder, PACKAGES_ORDER, SOURCES_ORDER } from './stanza-order.ts';

export interface OverrideFields {
  /** null: as the package says. */
  section: string | null;
  priority: string | null;
}

/** Policy 2.4: a section, perhaps behind an archive area. */
const SECTION = /^[a-z][a-z0-9-]*(?:\/[a-z][a-z0-9-]*)?$/;
/** Policy 2.5, and what Debian's Sources have for a source as such. */
const PRIORITIES = ['required', 'important', 'standard', 'optional', 'extra', 'source'];

/** True for a value that an index may show. */
export function isOverrideSection(section: string): boolean {
  return SECTION.test(section);
}

export function isOverridePriority(priority: string): boolean {
  return PRIORITIES.includes(priority);
}

/** The stanza with the override's fields for its own, in their usual places. Throws `deb822-invalid`. */
export function overrideStanza(stanza: string, isSource: boolean, override: OverrideFields): string {
  const paragraph = parseParagraph(stanza);
  if (override.section !== null) paragraph.set('Section', override.section);
  if (override.priority !== null) paragraph.set('Priority', override.priority);
  return formatParagraph(inOrder(paragraph, isSource ? SOURCES_ORDER : PACKAGES_ORDER));
}
