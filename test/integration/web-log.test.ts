/** The log stream over a real connection. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { startWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { addAttempt, addSource } from './web-rows.ts';

const garage = await openTestGarage({ garage: { listen: '127.0.0.1:0' } });
const web = await startWeb(garage);
afterAll(async () => {
  await web.close();
  await garage.dispose();
});
await addAccount(garage, { login: 'maker', email: 'maker@example.org', sshKeys: [], openpgpKeys: [] });

async function runningBuild(name: string): Promise<{ buildId: string; attemptId: string; log: string }> {
  const { buildId } = await addSource(garage.pool, 'maker', { name, version: '1', status: 'building' });
  const directory = `results/bookworm/${name}_1/amd64/1`;
  await mkdir(path.join(garage.home.root, directory), { recursive: true });
  const log = path.join(garage.home.root, directory, 'build.log');
  await writeFile(log, 'zero\n');
  return { buildId, attemptId: await addAttempt(garage.pool, buildId, { directory }), log };
}

interface Stream {
  received: () => string;
  ended: Promise<void>;
  close(): void;
}

async function openStream(url: string, headers: Record<string, string> = {}): Promise<Stream> {
  const abort = new AbortController();
  const response = await fetch(web.address + url, { headers, signal: abort.signal });
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  let text = '';
  const ended = (async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  })().catch(() => undefined);
  return { received: () => text, ended, close: () => abort.abort() };
}

const openStreams = async (): Promise<string | undefined> =>
  /autobuilder_log_streams_open (\d+)/.exec(await (await fetch(`${web.address}/metrics`)).text())?.[1];

test('lines appear as they are written, survive a reconnect, and the end is told', async () => {
  const { buildId, attemptId, log } = await runningBuild('streamed');
  const url = `/builds/${buildId}/log/stream?attempt=1&offset=0`;
  const first = await openStream(url);
  await expect.poll(first.received).toContain('id: 5\nevent: text\ndata: "zero\\n"\n\n');
  await appendFile(log, 'one: <b>\u001b[1m\n\n');
  await expect.poll(first.received).toContain('data: "one: <b>\\n\\n"');
  const lastId =
    first
      .received()
      .match(/^id: (\d+)$/gm)
      ?.at(-1)
      ?.slice(4) ?? '';
  first.close();
  await expect.poll(openStreams).toBe('0');
  await appendFile(log, 'two\nthree');
  const second = await openStream(url, { 'last-event-id': lastId });
  await expect.poll(second.received).toContain('data: "two\\n"');
  await garage.pool.query("update attempts set stage = 'done', finished_at = now() where id = $1", [
    attemptId,
  ]);
  await second.ended;
  expect(second.received()).not.toContain('one: ');
  expect(second.received()).toContain('data: "three"');
  expect(second.received().trimEnd().endsWith('event: end\ndata: ""')).toBe(true);
});

test('so many may follow, the next one is told to read it as text, and places are given back', async () => {
  const { buildId } = await runningBuild('crowded');
  const url = `/builds/${buildId}/log/stream?offset=0`;
  const streams = await Promise.all(Array.from({ length: 100 }, () => openStream(url)));
  const refused = await fetch(web.address + url);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30']);
  for (const stream of streams) stream.close();
  await expect.poll(openStreams).toBe('0');
  const again = await openStream(url);
  await expect.poll(again.received).toContain('zero');
  again.close();
});

test('HEAD and unknown attempts hold no place', async () => {
  const { buildId } = await runningBuild('headed');
  expect(
    (await fetch(`${web.address}/builds/${buildId}/log/stream`, { method: 'HEAD' })).status,
  ).toBeLessThan(500);
  expect((await fetch(`${web.address}/builds/${buildId}/log/stream?attempt=9`)).status).toBe(404);
  await expect.poll(openStreams).toBe('0');
});

test('an address that is taken is told as such', async () => {
  const port = Number(new URL(web.address).port);
  const config = { ...garage.config, listen: { host: '127.0.0.1', port } };
  await expect(startWeb({ ...garage, config })).rejects.toMatchObject({ code: 'web-address-unusable' });
});

test('closing does not wait for those who follow', async () => {
  const other = await startWeb(garage);
  const { buildId } = await runningBuild('closing');
  const response = await fetch(`${other.address}/builds/${buildId}/log/stream`);
  await response.body?.getReader().read();
  await other.close();
  await expect(fetch(`${other.address}/healthz`)).rejects.toThrow('fetch failed');
}, 5_000);
