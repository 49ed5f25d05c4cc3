/**
 * Sessions: a sealed cookie that names the account and a stamp of its password. Each request reads the
 * account again, so disabling it or changing its password ends its sessions at the next request.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { SignedIn } from './web.ts';

declare module '@fastify/secure-session' {
  interface SessionData {
    accountId: string;
    stamp: string;
  }
}

interface AccountRow extends SignedIn {
  password_hash: string | null;
}

/** Sets `request.account` before any handler runs. */
export function readSessions(app: FastifyInstance): void {
  app.decorateRequest('account', null);
  app.addHook('onRequest', async (request) => {
    const id = request.session.get('accountId');
    if (id === undefined) return;
    const row = await accountRow(request, 'id', id);
    if (row && stampOf(row) === request.session.get('stamp')) {
      request.account = { id: row.id, login: row.login, email: row.email, admin: row.admin };
    } else {
      request.session.regenerate();
    }
  });
}

/**
 * Makes the session `login`'s. Whatever it held before is dropped, the CSRF secret too, so a cookie that
 * somebody planted is worth nothing afterwards. False for an account that is disabled or gone.
 */
export async function signIn(request: FastifyRequest, login: string): Promise<boolean> {
  const row = await accountRow(request, 'login', login);
  if (!row) return false;
  request.session.regenerate();
  request.session.set('accountId', row.id);
  request.session.set('stamp', stampOf(row));
  return true;
}

async function accountRow(
  request: FastifyRequest,
  by: 'id' | 'login',
  value: string,
): Promise<AccountRow | undefined> {
  const { rows } = await request.server.web.garage.pool.query<AccountRow>(
    `select id, login, email, admin, password_hash from accounts where ${by} = $1 and disabled_at is null`,
    [value],
  );
  return rows[0];
}

function stampOf(row: AccountRow): string {
  return createHash('sha256')
    .update(row.password_hash ?? '')
    .digest('base64url')
    .slice(0, 22);
}
