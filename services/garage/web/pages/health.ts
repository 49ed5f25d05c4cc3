import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { HeldIdentityRow } from '../../../../shared/protocol/tables.ts';
import type { Garage } from '../../context.ts';
import { mailHealth } from '../../mail/mails.ts';
import { heldChanges, heldIdentities } from '../held-identities.ts';

/** A database that takes longer than this is not there for whoever asks. */
const DATABASE_TIMEOUT_MS = 3_000;

/**
 * `/healthz`: 200 while the database answers, 503 otherwise. Mail that is late or failed and a changed identity of
 * the archive that waits for an admin are told beside: troubles, and no reason to take the service out.
 */
export function healthRoutes(app: FastifyInstance): void {
  app.get('/healthz', async (request, reply) => {
    const late = new AbortController();
    const healthy = await Promise.race([
      troubles(app.web.garage).catch((error: unknown) => {
        request.log.warn({ err: error }, 'the database does not answer');
        return null;
      }),
      delay(DATABASE_TIMEOUT_MS, null, { signal: late.signal, ref: false }).catch(() => null),
    ]);
    late.abort();
    return reply
      .status(healthy ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: healthy ? 'ok' : 'database-unreachable', ...healthy });
  });
}

async function troubles(garage: Garage): Promise<object> {
  const [mail, held] = await Promise.all([mailHealth(garage.pool), heldIdentities(garage)]);
  return {
    ...(mail.late + mail.failed > 0 ? { mail } : {}),
    ...(held.length > 0 ? { identity: held.map(heldItem) } : {}),
  };
}

/** With what to do, for whoever watches and has not read the documentation. */
function heldItem(row: HeldIdentityRow): object {
  const { queue, product, since } = row;
  const hint = `autobuilder identity list; then autobuilder identity accept ${queue} --product ${product}, or take it back`;
  return { queue, product, since, heldBack: heldChanges(row), hint };
}
