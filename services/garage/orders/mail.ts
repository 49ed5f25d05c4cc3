/** Tells whoever ordered something what became of it. */
import type { OrderRow } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { hasRepository } from '../dispatch/repository-tables.ts';
import { queueMail, type NewMail } from '../mail/outbox.ts';

/** Mails of one round; the next one takes the rest. */
const MAX_MAILS = 100;
/** Orders finished before this are not looked at again. */
const LOOK_BACK = '30 days';

type FinishedOrder = OrderRow & { email: string };

/** One mail for each order that is done or refused; one by an admin on the command line has nobody to tell. */
export async function mailOrders(garage: Garage): Promise<void> {
  if (!(await hasRepository(garage.pool))) return;
  const { rows } = await garage.pool.query<FinishedOrder>(
    `select o.*, c.email
       from repository.orders o join accounts c on c.login = o.requested_by
      where o.status in ('done', 'refused') and o.finished_at > now() - $1::interval
        and not exists (select 1 from mails m where m.kind = 'order' and m.subject_key = o.id::text)
      order by o.id
      limit $2`,
    [LOOK_BACK, MAX_MAILS],
  );
  const url = garage.config.url.replace(/\/+$/, '');
  for (const order of rows) await queueMail(garage.pool, orderMail(order, url));
}

function orderMail(order: FinishedOrder, url: string): NewMail {
  const { what, way, thread } = wordsOf(order);
  const done = order.status === 'done';
  const [verb, past] = VERBS[order.kind];
  return {
    kind: 'order',
    subjectKey: order.id,
    recipient: order.email,
    thread,
    subject: done ? `${what} ${past} ${way}` : `${what} REFUSED ${way}`,
    body: [
      `Order ${order.id}: ${verb} ${what} ${order.kind === 'rollback' ? '' : `for ${order.product} `}${way}`,
      done ? 'It is done.' : `It was refused: ${order.reason ?? order.reason_code ?? 'no reason was given'}`,
      `${url}/queues/${order.to_queue}/${order.product}`,
      '',
    ].join('\n'),
    headers: {
      ...(order.source === null ? {} : { 'X-Debian-Package': order.source }),
      ...(order.source_version === null ? {} : { 'X-Debian-Version': order.source_version }),
      'X-Autobuilder-Product': order.product,
      'X-Autobuilder-Result': done ? past.replace(' ', '-') : 'refused',
    },
  };
}

const VERBS: Record<OrderRow['kind'], [string, string]> = {
  promote: ['promote', 'promoted'],
  rollback: ['roll back', 'rolled back'],
  remove: ['remove', 'removed'],
};

function wordsOf(order: FinishedOrder): { what: string; way: string; thread: string } {
  if (order.kind === 'rollback') {
    const what = `${order.to_queue}/${order.product}`;
    return { what, way: `to generation ${String(order.to_generation)}`, thread: what };
  }
  return {
    what: order.source_version === null ? order.source : `${order.source} ${order.source_version}`,
    way: `from ${order.from_queue}${order.kind === 'promote' ? ` to ${order.to_queue}` : ''}`,
    thread: `${order.product}/${order.source}`,
  };
}
