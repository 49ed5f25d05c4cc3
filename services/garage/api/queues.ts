import { z } from 'zod';
import { queueStates, type QueueState } from '../web/pages/queue-list.ts';
import { repositoryRows } from '../web/repository.ts';
import { limit, page, pageOf } from './paging.ts';
import { missing, problem } from './problems.ts';
import { published, queue } from './schemas.ts';
import type { Api } from './typed.ts';

const query = z.object({
  after: z
    .string()
    .max(500)
    // None of the three can hold an underscore.
    .regex(/^[^_]+_[^_]+_[^_]+$/, 'not the `next` of a page')
    .optional()
    .describe('The `next` of the page before.'),
  limit,
});
const names = z.object({ queue: z.string().max(64), product: z.string().max(64) });

interface Row {
  source: string;
  version: string;
  component: string;
}

export function queueRoutes(app: Api, web: string): void {
  const { garage } = app.web;
  app.get(
    '/queues',
    { schema: { summary: 'Every queue of every product', response: { 200: pageOf(queue) } } },
    async () => ({ items: (await queueStates(garage)).map((state) => shown(state, web)), next: null }),
  );
  const answers = { 200: pageOf(published).extend({ state: queue }), 404: problem };
  app.get(
    '/queues/:queue/:product',
    { schema: { summary: 'What a queue holds', params: names, querystring: query, response: answers } },
    async ({ params, query: asked }) => {
      const state = (await queueStates(garage)).find(
        (each) => each.queue === params.queue && each.product === params.product,
      );
      if (!state) throw missing('queue', 'The queues that there are: /api/v1/queues');
      const rows = await repositoryRows<Row>(
        garage.pool,
        `select source, source_version as version, component, architectures, binaries, since
           from repository.published
          where queue = $1 and product = $2
            and ($3::text is null or (source, source_version, component) > ($3, $4, $5))
          order by source, source_version, component limit $6`,
        [params.queue, params.product, ...cursor(asked.after), asked.limit + 1],
      );
      const next = (last: Row): string => `${last.source}_${last.version}_${last.component}`;
      return { state: shown(state, web), ...page(rows ?? [], asked.limit, next) };
    },
  );
}

function cursor(after: string | undefined): (string | null)[] {
  const [source, version, component] = after?.split('_') ?? [];
  return [source ?? null, version ?? null, component ?? null];
}

function shown(state: QueueState, web: string): Record<string, unknown> {
  return {
    ...{ queue: state.queue, product: state.product, generation: state.number, status: state.status },
    ...{ createdAt: state.created_at, liveAt: state.live_at },
    url: `${web}/queues/${state.queue}/${state.product}`,
  };
}
