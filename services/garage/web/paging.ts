/** Lists by keyset: a page costs what it shows, however long the list is. */
import { html, type Markup } from './markup.ts';

/** Rows on one page of a list. */
export const PAGE_ROWS = 50;

export interface Slice<T> {
  rows: T[];
  /** The last row shown when more follow. */
  last: T | undefined;
}

/** Cuts what a query with `limit PAGE_ROWS + 1` gave. */
export function slice<T>(found: T[], rows: number = PAGE_ROWS): Slice<T> {
  if (found.length <= rows) return { rows: found, last: undefined };
  const shown = found.slice(0, rows);
  return { rows: shown, last: shown.at(-1) };
}

/** The link to the rows after the last one shown; nothing when there are none. */
export function moreLink(path: string, query: Record<string, string | undefined>, label: string): Markup {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  return html`<p><a class="button" rel="next" href="${path}?${search.toString()}">${label}</a></p>`;
}
