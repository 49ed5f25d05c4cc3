/** `config check` looks whether the mirrors that products name are there and hold what is asked of them. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import type { Findings } from '../../../shared/cli/config.ts';
import type { Loaded } from '../../../shared/config/load.ts';
import { createPool, databaseUrl, type databaseSection } from '../../../shared/database/pool.ts';
import { readMirrors, type Mirrors } from '../../../shared/protocol/mirrors.ts';
import { mirrorProblems, mirrorsOf } from '../dispatch/mirror-sources.ts';

type Wanted = Pick<Loaded<{ database: z.infer<typeof databaseSection> }>, 'home' | 'sections' | 'common'>;

/** Asks the database only where a mirror is named. Throws what reaching it throws. */
export async function compareMirrors(loaded: Wanted): Promise<Findings> {
  const { products } = await loaded.common();
  const named = products.flatMap(mirrorsOf);
  if (named.length === 0) return { problems: [], notes: [] };
  const mirrors = await mirrorsThere(loaded);
  if (mirrors === null) {
    const note = `there is no database here yet, so nothing is known of mirror ${named.join(', ')}`;
    return { problems: [], notes: [note] };
  }
  const problems = products.flatMap((product) =>
    mirrorProblems(mirrors, product).map(({ list, index, error }) => ({
      at: ['products', product.name, list, index, 'mirror'],
      says: [error.message, error.hint].filter(Boolean).join('; '),
    })),
  );
  return { problems, notes: [] };
}

/** Null where there is none: a check does not make an embedded database, on a builder host for example. */
async function mirrorsThere({ home, sections: { database } }: Wanted): Promise<Mirrors | null> {
  const isElsewhere = (process.env['DATABASE_URL'] ?? database.url) !== undefined;
  const isHere = await stat(path.join(home.database, 'connection.json')).catch(() => null);
  if (!isElsewhere && isHere === null) return null;
  const pool = createPool(await databaseUrl(database, home), 'garage', () => undefined);
  try {
    return await readMirrors(pool);
  } finally {
    await pool.end();
  }
}
