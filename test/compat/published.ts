/** A live repository with a few packages, which says what it was asked for. */
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import {
  handOver,
  makeSet,
  openTestRepository,
  type PackageOptions,
  type TestRepository,
} from '../integration/repository-support.ts';

export interface Published {
  repository: TestRepository;
  url: string;
  /** Paths that were asked for. */
  requests: string[];
  /** The key's file below live, binary. */
  key: string;
  /** Publishes sets and brings them to live. */
  publish(...sets: PackageOptions[]): Promise<void>;
  close(): Promise<void>;
}

export async function openPublished(): Promise<Published> {
  const repository = await openTestRepository({ repository: { compression: ['gz', 'xz', 'zstd'] } });
  const requests: string[] = [];
  const server = await serve(repository, requests);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...{ repository, url, requests, key: path.join(repository.home.live, 'archive-key.gpg') },
    publish: async (...sets) => {
      for (const set of sets) await handOver(repository, await makeSet(repository, set));
      await repository.sweep();
      await createRqp(repository).run();
    },
    close: async () => {
      await server.close();
      await repository.dispose();
    },
  };
}

async function serve({ home, common, log }: TestRepository, requests: string[]): Promise<FastifyInstance> {
  await mkdir(home.live, { recursive: true });
  const server = await buildLiveServer({ root: home.live, common, log });
  // First of all: the server itself writes addresses anew.
  server.server.prependListener('request', (request: IncomingMessage) => requests.push(request.url ?? ''));
  return server;
}
