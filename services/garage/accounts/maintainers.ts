/**
 * Who may upload and promote which source of a product: `maintainers` names one source each, `upload_rules`
 * sources by glob. Whoever brings a source first becomes its maintainer by that (uploads/decide.ts).
 */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import { sourceName } from '../../../shared/protocol/names.ts';

/** A name with `*` (any characters) or `?` (one) in it. */
const GLOB = /^[a-z0-9+.*?-]{1,128}$/;

export interface Maintainer {
  product: string;
  /** A source's name, or a glob. */
  pattern: string;
  login: string;
  email: string;
}

interface Place {
  table: 'maintainers' | 'upload_rules';
  column: 'source' | 'pattern';
}

/** Throws `source-invalid` for what is neither a source's name nor a glob of one. */
function placeOf(pattern: string): Place {
  if (sourceName.safeParse(pattern).success) return { table: 'maintainers', column: 'source' };
  if (GLOB.test(pattern) && /[*?]/.test(pattern)) return { table: 'upload_rules', column: 'pattern' };
  throw new AppError('source-invalid', `'${pattern.slice(0, 128)}' is neither a source's name nor a glob`, {
    hint: "Quote a glob: 'lib*'. It holds lower-case letters, digits, + . - and * ?",
  });
}

async function accountId(database: Queryable, login: string): Promise<string> {
  const { rows } = await database.query<{ id: string }>('select id from accounts where login = $1', [login]);
  const [row] = rows;
  if (row) return row.id;
  throw new AppError('account-unknown', `There is no account '${login.slice(0, 64)}'`, {
    hint: 'autobuilder account list shows them all.',
  });
}

/** Lets an account upload and promote; it may be so already. Throws `source-invalid`, `account-unknown`. */
export async function addMaintainer(
  database: Queryable,
  product: string,
  pattern: string,
  login: string,
): Promise<void> {
  const { table, column } = placeOf(pattern);
  await database.query(
    `insert into ${table} (product, ${column}, account_id) values ($1, $2, $3) on conflict do nothing`,
    [product, pattern, await accountId(database, login)],
  );
}

/** Takes that away. Throws `maintainer-unknown` where there is nothing to take, and as {@link addMaintainer}. */
export async function removeMaintainer(
  database: Queryable,
  product: string,
  pattern: string,
  login: string,
): Promise<void> {
  const { table, column } = placeOf(pattern);
  const { rowCount } = await database.query(
    `delete from ${table} where product = $1 and ${column} = $2 and account_id = $3`,
    [product, pattern, await accountId(database, login)],
  );
  if (rowCount === 1) return;
  throw new AppError('maintainer-unknown', `'${login}' does not maintain ${pattern} in ${product}`, {
    hint: 'autobuilder maintainer list shows who does.',
  });
}

/** Sources first, then globs; of one product, or of all. */
export async function listMaintainers(database: Queryable, product: string | null): Promise<Maintainer[]> {
  const { rows } = await database.query<Maintainer>(
    `select m.product, m.pattern, a.login, a.email
       from (select product, source as pattern, account_id, false as glob from maintainers
             union all select product, pattern, account_id, true from upload_rules) m
       join accounts a on a.id = m.account_id
      where $1::text is null or m.product = $1
      order by m.glob, m.product, m.pattern, a.login`,
    [product],
  );
  return rows;
}
