import { mkdtemp, mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../../shared/log/logger.ts';
import { buildLiveServer } from './server.ts';

const NAME = 'hello_2.10-3+b1~x_amd64.deb';
let root: string;
let server: FastifyInstance;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'autobuilder-live-'));
  await mkdir(path.join(root, 'devel/pool'), { recursive: true });
  await writeFile(path.join(root, 'devel/pool', NAME), 'content');
  await writeFile(path.join(root, 'secret'), 'kept');
  await writeFile(path.join(root, 'devel/.hidden'), 'hidden');
  const log = createLogger('live');
  const common = {
    name: 'Test',
    products: [],
    queues: [{ name: 'devel', notAutomatic: false, retention: { versions: 1, days: 0 } }] as const,
  };
  server = await buildLiveServer({
    root: path.join(root, 'devel'),
    common: { ...common, queues: [...common.queues] },
    log,
  });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

const status = async (url: string): Promise<number> =>
  (await server.inject({ method: 'GET', url })).statusCode;

describe('the live server', () => {
  it.each([NAME, NAME.replace('+', '%2b'), NAME.replace('+', '%2B').replace('~', '%7e')])(
    'serves %s',
    async (name) => {
      const answer = await server.inject({ method: 'GET', url: `/pool/${name}` });
      expect(answer.statusCode).toBe(200);
      expect(answer.body).toBe('content');
    },
  );

  it.each([
    '/../secret',
    '/%2e%2e/secret',
    '/pool/..%2f..%2fsecret',
    '/.hidden',
    '/pool/%2e%2e/.hidden',
    '/pool/',
  ])('keeps what lies outside or is hidden: %s', async (url) => {
    expect(await status(url)).toBeGreaterThanOrEqual(400);
  });

  it.each([
    ['a day that has passed', -24, 206],
    ['a day to come, which no file is of', 24, 200],
  ])('resumes what is unchanged since: %s', async (_, hours, expected) => {
    const url = `/pool/${NAME.replace('+', '%2b')}`;
    await utimes(path.join(root, 'devel/pool', NAME), new Date('2026-01-01'), new Date('2026-01-01'));
    const since = new Date(Date.now() + hours * 3600_000).toUTCString();
    const headers = { range: 'bytes=3-', 'if-range': since };
    expect((await server.inject({ method: 'GET', url, headers })).statusCode).toBe(expected);
  });

  it('answers ranges', async () => {
    const answer = await server.inject({
      method: 'GET',
      url: `/pool/${NAME}`,
      headers: { range: 'bytes=1-3' },
    });
    expect(answer.statusCode).toBe(206);
    expect(answer.body).toBe('ont');
  });
});
