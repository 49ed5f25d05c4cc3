/** Hooks after a sync: a command and a web address, for real. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HookConfig } from '../../services/repository/sync/config.ts';
import { MAX_ATTEMPTS } from '../../services/repository/sync/hooks/deliver.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { readStatus, type HookStatus } from '../../services/repository/sync/status.ts';
import { waitFor } from '../support/wait.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const SECRET = 'a secret of the receiver';
const repository = await openTestRepository();
const { root } = repository.home;

interface Received {
  headers: IncomingMessage['headers'];
  body: string;
}
let received: Received[] = [];
/** What the receiver answers; 0: nothing at all. */
let answer = 200;
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      if (answer === 0) return;
      if (answer === 302) response.setHeader('location', `${url}/elsewhere`);
      response.writeHead(answer).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${String((server.address() as { port: number }).port)}/synced?token=hidden`;
  await writeFile(path.join(root, 'secret'), `${SECRET}\n`, { mode: 0o600 });
  await repository.sweep();
});
beforeEach(() => {
  received = [];
  answer = 200;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await repository.dispose();
});

/** A sync of a new generation of devel to a target with these hooks. */
async function syncWith(name: string, ...hooks: HookConfig[]): Promise<void> {
  const targets = [{ name: 'hooked', path: path.join(root, 'hooked'), queues: ['devel'], hooks }];
  await handOver(repository, await makeSet(repository, { source: name }));
  await repository.sweep();
  await createRqp({ ...repository, config: { ...repository.config, targets } }).run();
}

async function lastCalls(): Promise<HookStatus[]> {
  const [row] = (await readStatus(repository.pool)).filter((each) => each.queue === 'devel');
  return row?.hooks ?? [];
}

async function newest(): Promise<number> {
  const { rows } = await repository.pool.query<{ number: number }>(
    `select max(number) as number from generations where queue = 'devel'`,
  );
  return rows[0]!.number;
}

describe('a webhook', () => {
  test('gets what happened as JSON, signed with the secret', async () => {
    await syncWith('told', { url, secretFile: path.join(root, 'secret') });
    expect(received).toHaveLength(1);
    const { headers, body } = received[0]!;
    expect(JSON.parse(body)).toMatchObject({
      ...{ version: 1, event: 'synced', target: 'hooked', queue: 'devel', product: 'bookworm' },
      generation: await newest(),
    });
    const sum = createHmac('sha256', SECRET).update(body).digest('hex');
    expect(headers['x-autobuilder-signature']).toBe(`sha256=${sum}`);
    const [call] = await lastCalls();
    expect(call).toMatchObject({ status: 'done', attempts: 1, error: null });
    expect(call?.label).not.toContain('hidden');
  });

  test.each([500, 302, 0])(
    'that answers %i is tried again later, and the sync is none the worse',
    async (code) => {
      answer = code;
      await syncWith(`answers-${String(code)}`, { url, timeoutS: 1 });
      const [call] = await lastCalls();
      expect(call).toMatchObject({ status: 'pending', attempts: 1, errorCode: 'hook-failed' });
      expect(call?.nextTryAt?.getTime()).toBeGreaterThan(Date.now());
      const [row] = (await readStatus(repository.pool)).filter((each) => each.queue === 'devel');
      expect(row).toMatchObject({ health: 'ok', failures: 0, generation: await newest() });
      expect(received).toHaveLength(1);
    },
  );

  test('that comes back gets the newest alone; one that never does is given up', async () => {
    answer = 500;
    await syncWith('older', { url });
    await syncWith('newer', { url });
    answer = 200;
    received = [];
    await repository.pool.query('update sync_deliveries set next_try_at = now()');
    await syncWith('newest', { url });
    expect(received.map(({ body }) => (JSON.parse(body) as { generation: number }).generation)).toEqual([
      await newest(),
    ]);
    answer = 500;
    await syncWith('never', { url });
    await repository.pool.query(
      `update sync_deliveries set next_try_at = now(), attempts = $1 where status = 'pending'`,
      [MAX_ATTEMPTS - 1],
    );
    const targets = [
      { name: 'hooked', path: path.join(root, 'hooked'), queues: ['devel'], hooks: [{ url }] },
    ];
    await createRqp({ ...repository, config: { ...repository.config, targets } }).run();
    expect(await lastCalls()).toMatchObject([{ status: 'failed', attempts: MAX_ATTEMPTS }]);
  });
});

describe('a command', () => {
  test('has the facts in its environment and on its input, and no shell', async () => {
    const script = path.join(root, 'hook');
    const out = path.join(root, 'told');
    const text = `#!/bin/sh\nenv > ${out}.env\ncat > ${out}.json\nprintf '%s' "$1" > ${out}.argument\n`;
    await writeFile(script, text);
    await chmod(script, 0o755);
    await syncWith('commanded', { command: [script, '$(id); `id`'] });
    expect(await lastCalls()).toContainEqual(
      expect.objectContaining({ label: 'command hook', status: 'done' }),
    );
    const environment = await readFile(`${out}.env`, 'utf8');
    const generation = await newest();
    expect(environment).toContain(`AUTOBUILDER_GENERATION=${String(generation)}\n`);
    expect(environment).toContain('AUTOBUILDER_TARGET=hooked\n');
    expect(environment).not.toContain('DATABASE_URL');
    expect(JSON.parse(await readFile(`${out}.json`, 'utf8'))).toMatchObject({ generation, queue: 'devel' });
    expect(await readFile(`${out}.argument`, 'utf8')).toBe('$(id); `id`');
  });

  test('that fails or hangs is told with why, and holds up neither the sync nor the other hooks', async () => {
    const hooks: HookConfig[] = [
      { command: ['/bin/sleep', '600'], timeoutS: 1 },
      { command: ['/bin/false'] },
      { command: ['/nonexistent/program'] },
      { url },
    ];
    await syncWith('troubled', ...hooks);
    const calls = await waitFor('all calls', async () => {
      const all = await lastCalls();
      return all.filter(({ label }) => /sleep|false|program|webhook/.test(label)).length >= 4 && all;
    });
    const of = (word: string): HookStatus | undefined => calls.find(({ label }) => label.includes(word));
    expect(of('sleep')).toMatchObject({ status: 'pending', error: expect.stringContaining('timeout') });
    expect(of('false')).toMatchObject({ status: 'pending', error: expect.stringContaining('exit 1') });
    expect(of('program')).toMatchObject({ status: 'pending', errorCode: 'hook-failed' });
    expect(of('webhook')).toMatchObject({ status: 'done' });
  });
});

test('a hook that the configuration has no more is dropped; queues that it does not name call nothing', async () => {
  answer = 500;
  await syncWith('dropped', { url: `${url}&gone=1` });
  await repository.pool.query(`update sync_deliveries set next_try_at = now() where status = 'pending'`);
  received = [];
  await syncWith('silent', { url, queues: ['stable'] });
  expect(received).toEqual([]);
  const { rows } = await repository.pool.query(`select 1 from sync_deliveries where status = 'pending'`);
  expect(rows).toEqual([]);
});
