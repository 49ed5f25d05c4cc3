import { afterAll, expect, test } from 'vitest';
import { transaction } from '../../../shared/database/pool.ts';
import { orderRollback } from '../../../shared/protocol/rollback-order.ts';
import { orderRemoval } from '../../../shared/protocol/removal-order.ts';
import { openTestGarage } from '../../../test/support/garage.ts';
import { mailOrders } from './mail.ts';
import { requestPromotion, type PromotionRequest } from './promote.ts';

const garage = await openTestGarage();
afterAll(() => garage.dispose());

const REQUEST: PromotionRequest = {
  product: 'bookworm',
  source: 'hello',
  from: 'devel',
  to: 'testing',
  requestedBy: 'maker',
};

test('an order is written once, however often the button is pressed', async () => {
  const id = await requestPromotion(garage, REQUEST);
  expect(await requestPromotion(garage, REQUEST)).toBe(id);
  expect(await requestPromotion(garage, { ...REQUEST, version: '2.10-3' })).not.toBe(id);
  const { rows } = await garage.pool.query('select * from repository.orders where id = $1', [id]);
  expect(rows[0]).toMatchObject({
    kind: 'promote',
    product: 'bookworm',
    source: 'hello',
    source_version: null,
    from_queue: 'devel',
    to_queue: 'testing',
    requested_by: 'maker',
    status: 'requested',
  });
});

test.each([
  [{ product: 'sarge' }, 'product-unknown'],
  [{ from: 'nowhere' }, 'queue-unknown'],
  [{ to: 'elsewhere' }, 'queue-unknown'],
  [{ from: 'stable', to: 'testing' }, 'queue-order'],
  [{ from: 'testing', to: 'testing' }, 'queue-order'],
  [{ source: 'Hello World' }, 'source-invalid'],
  [{ version: 'not a version' }, 'version-invalid'],
])('%o is refused with %s', async (change, code) => {
  await expect(requestPromotion(garage, { ...REQUEST, ...change })).rejects.toMatchObject({ code });
});

test('a finished order is told to whoever asked, once', async () => {
  await garage.pool.query("insert into accounts (login, email) values ('maker', 'maker@example.org')");
  const done = await requestPromotion(garage, { ...REQUEST, source: 'done' });
  const refused = await requestPromotion(garage, { ...REQUEST, source: 'refused', version: '1.0' });
  const ours = await requestPromotion(garage, { ...REQUEST, source: 'ours', requestedBy: null });
  const removal = { queue: 'devel', product: 'bookworm', source: 'gone', version: null, force: false };
  const removed = await transaction(garage.pool, (client) =>
    orderRemoval(client, { ...removal, requestedBy: 'maker' }),
  );
  const rollback = { queue: 'devel', product: 'bookworm', to: 3, seen: 4, requestedBy: 'maker' };
  const rolledBack = await transaction(garage.pool, (client) => orderRollback(client, rollback));
  await mailOrders(garage);
  const finish = 'update repository.orders set status = $2, reason = $3, finished_at = now() where id = $1';
  await garage.pool.query(finish, [done, 'done', null]);
  await garage.pool.query(finish, [refused, 'refused', 'testing has 1.1 already']);
  await garage.pool.query(finish, [ours, 'done', null]);
  await garage.pool.query(finish, [removed, 'done', null]);
  await garage.pool.query(finish, [rolledBack, 'done', null]);
  await mailOrders(garage);
  await mailOrders(garage);
  const { rows } = await garage.pool.query(
    `select recipient, subject, body from mails where kind = 'order' order by id`,
  );
  expect(rows).toEqual([
    {
      recipient: 'maker@example.org',
      subject: 'done promoted from devel to testing',
      body: expect.stringContaining('It is done.') as unknown,
    },
    {
      recipient: 'maker@example.org',
      subject: 'refused 1.0 REFUSED from devel to testing',
      body: expect.stringContaining('It was refused: testing has 1.1 already') as unknown,
    },
    {
      recipient: 'maker@example.org',
      subject: 'gone removed from devel',
      body: expect.stringMatching(/^Order \d+: remove gone for bookworm from devel\nIt is done\./) as unknown,
    },
    {
      recipient: 'maker@example.org',
      subject: 'devel/bookworm rolled back to generation 3',
      body: expect.stringMatching(
        /^Order \d+: roll back devel\/bookworm to generation 3\nIt is done\./,
      ) as unknown,
    },
  ]);
});
