/**
 * Who may upload which source. Admins may everything; a source that is there, its maintainers and whom a
 * rule with a matching glob names; a new one, everybody or (newSources: maintainers) whom a rule names.
 */
import type { Product } from '../../../shared/config/common.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import { reject } from './rejection.ts';
import type { Authority } from './signature.ts';

interface Rights {
  isThere: boolean;
  isMaintainer: boolean;
}

/** Rejects `not-allowed`. A source is there once it was accepted for the product. */
export async function requireRight(
  database: Queryable,
  product: Pick<Product, 'name' | 'newSources'>,
  source: string,
  who: Authority,
): Promise<void> {
  if (who.admin) return;
  const { rows } = await database.query<Rights>(
    `select exists (select 1 from sources where product = $1 and name = $2) as "isThere",
            exists (select 1 from maintainers where product = $1 and source = $2 and account_id = $3)
         or exists (select 1 from upload_rules
                     where product = $1 and account_id = $3 and $2 like translate(pattern, '*?', '%_'))
            as "isMaintainer"`,
    [product.name, source, who.accountId],
  );
  const [rights] = rows;
  if (rights?.isMaintainer) return;
  const { login } = who;
  const { name } = product;
  if (rights?.isThere) throw reject('not-allowed', { login, source, product: name });
  if (product.newSources === 'anyone') return;
  throw reject('new-source-not-allowed', { login, source, product: name });
}
