/** Lists by keyset: `?after=` names the last item seen, and a page costs what it shows. */
import { z } from 'zod';
import { slice } from '../web/paging.ts';

const DEFAULT_ITEMS = 50;
/** A page stays well below a megabyte. */
const MAX_ITEMS = 200;

/** Parameters of every list whose items go by a number; merged with the list's own filters. */
export const numbered = {
  after: z
    .string()
    .regex(/^[0-9]{1,18}$/, "not an item's id")
    .optional()
    .describe('The `next` of the page before: only items after that one.'),
};

export const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_ITEMS)
  .default(DEFAULT_ITEMS)
  .describe('Items on one page.');

export function pageOf<T extends z.ZodType>(item: T): z.ZodObject<{ items: z.ZodArray<T>; next: z.ZodType }> {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().describe('What `after` must be for the next page; null on the last one.'),
  });
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** Cuts what a query with `limit + 1` gave. */
export function page<T>(found: T[], items: number, cursorOf: (last: T) => string): Page<T> {
  const { rows, last } = slice(found, items);
  return { items: rows, next: last === undefined ? null : cursorOf(last) };
}
