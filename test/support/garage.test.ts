import { stat } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { openTestGarage } from './garage.ts';

const garage = await openTestGarage({ garage: { missingFileGraceS: 7 } });
afterAll(() => garage.dispose());

test('a test garage has both schemas, its own home and its configuration', async () => {
  const { rows } = await garage.pool.query(
    'select (select count(*) from accounts) as accounts, (select count(*) from repository.orders) as orders',
  );
  expect(rows).toEqual([{ accounts: '0', orders: '0' }]);
  expect(garage.config.missingFileGraceS).toBe(7);
  expect(garage.common.products.map((product) => product.name)).toEqual(['bookworm']);
});

test('two test garages share nothing, and dispose leaves nothing', async () => {
  const other = await openTestGarage();
  await other.pool.query("insert into accounts (login, email) values ('maker', 'maker@example.org')");
  const { rows } = await garage.pool.query('select login from accounts');
  expect(rows).toEqual([]);
  await other.dispose();
  await expect(stat(other.home.root)).rejects.toThrow('ENOENT');
});
