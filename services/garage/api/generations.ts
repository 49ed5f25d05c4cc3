import { z } from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import {
  comparedPackages,
  generationHistory,
  packageDifferences,
  type ComparedPackage,
  type HistoryRow,
} from '../../../shared/protocol/generation-history.ts';
import { HttpError } from '../web/errors.ts';
import { queueStates } from '../web/pages/queue-list.ts';
import { limit, numbered, page, pageOf } from './paging.ts';
import { missing, problem } from './problems.ts';
import { generation, generationDetails } from './schemas.ts';
import type { Api } from './typed.ts';

/** Versions that one answer compares: some megabytes. */
const MAX_COMPARED = 20_000;
/** Generations between two that anybody may have compared: more takes seconds of the database. */
const MAX_APART = 5_000;
const NUMBER = z.coerce.number().int().min(1).max(999_999_999);
const names = z.object({ queue: z.string().max(64), product: z.string().max(64) });
const query = z.object({ ...numbered, limit });

export function generationRoutes(app: Api, web: string): void {
  app.get(
    '/queues/:queue/:product/generations',
    {
      schema: {
        summary: 'What a queue held, newest first',
        ...{ params: names, querystring: query, response: { 200: pageOf(generation), 404: problem } },
      },
    },
    async ({ params, query: asked }) => {
      if (!(await isPublished(app, params))) return { items: [], next: null };
      const before = asked.after === undefined ? null : Math.min(Number(asked.after), 999_999_999);
      const rows = await history(app, params, { before, limit: asked.limit + 1 });
      const cut = page(rows, asked.limit, (last) => String(last.number));
      return { ...cut, items: cut.items.map((row) => shown(params, row, web)) };
    },
  );
  app.get(
    '/queues/:queue/:product/generations/:number',
    {
      schema: {
        summary: 'A generation, and how it differs from another',
        params: names.extend({ number: NUMBER }),
        querystring: z.object({
          from: NUMBER.optional().describe('Compared with this one; default: the one before.'),
        }),
        response: { 200: generationDetails, 404: problem, 409: problem },
      },
    },
    async ({ params, query: asked }) => {
      if (!(await isPublished(app, params))) throw missing('generation');
      const { number } = params;
      const [row] = await history(app, params, { before: number + 1, limit: 1 });
      if (row?.number !== number) throw missing('generation');
      const from = asked.from ?? (number > 1 ? number - 1 : null);
      const compared = from === null ? [] : await compare(app, params, from, number);
      return {
        ...shown(params, row, web),
        ...{ from, changes: packageDifferences(compared), isCut: compared.length === MAX_COMPARED },
      };
    },
  );
}

interface At {
  queue: string;
  product: string;
}

/** False while nothing was published there: there may be no tables to look into. */
async function isPublished(app: Api, at: At): Promise<boolean> {
  const states = await queueStates(app.web.garage);
  const found = states.find((each) => each.queue === at.queue && each.product === at.product);
  if (!found) throw missing('queue', 'The queues that there are: /api/v1/queues');
  return found.number !== null;
}

function history(app: Api, at: At, range: { before: number | null; limit: number }): Promise<HistoryRow[]> {
  return generationHistory(app.web.garage.pool, at, range);
}

async function compare(app: Api, at: At, from: number, to: number): Promise<ComparedPackage[]> {
  if (Math.abs(from - to) > MAX_APART) {
    const hint = 'On the command line, autobuilder diff compares any two.';
    throw new HttpError(409, 'too-far-apart', `More than ${String(MAX_APART)} generations lie between`, {
      hint,
    });
  }
  try {
    return await comparedPackages(app.web.garage.pool, at, { from, to, limit: MAX_COMPARED });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new HttpError(error.code === 'generation-unknown' ? 404 : 409, error.code, error.message);
  }
}

function shown({ queue, product }: At, row: HistoryRow, web: string): Record<string, unknown> {
  const { number, status, cause, who, added, removed, createdAt, liveAt, snapshot, backTo } = row;
  return {
    ...{ queue, product, number, status, cause, who, added, removed, createdAt, liveAt, snapshot, backTo },
    url: `${web}/queues/${queue}/${product}/generations/${String(number)}`,
  };
}
