/** Calls the hooks that are due, beside the syncs: what fails or takes long holds up no sync. */
import { AppError, messageOf } from '../../../../shared/errors/app-error.ts';
import { coalesce, type Coalesced } from '../../coalesce.ts';
import type { Repository } from '../../context.ts';
import { createSlots } from '../../slots.ts';
import type { Target } from '../targets.ts';
import { callHook } from './call.ts';
import {
  dueDeliveries,
  finishDelivery,
  forgetDeliveries,
  hookKey,
  postponeDelivery,
  type Delivery,
} from './rows.ts';

/** Of all targets together; a receiver that is slow takes one place. */
const HOOKS_AT_ONCE = 4;
/** Ten tries over about three hours: longer than a restart, shorter than news stay news. */
export const MAX_ATTEMPTS = 10;
export const HOOK_RETRY_FIRST_MS = 20_000;
const HOOK_RETRY_MAX_MS = 30 * 60_000;

export function createDeliverer(
  repository: Repository,
  targets: readonly Target[],
  signal?: AbortSignal,
): Coalesced {
  const slots = createSlots(HOOKS_AT_ONCE);
  const pass = async (): Promise<void> => {
    const due = await dueDeliveries(repository.pool);
    await Promise.all(due.map((delivery) => slots(() => deliver(repository, targets, delivery, signal))));
    if (due.length > 0) await forgetDeliveries(repository.pool);
  };
  return coalesce(pass, (error) => repository.log.error({ err: error }, 'calling hooks failed'));
}

async function deliver(
  repository: Repository,
  targets: readonly Target[],
  delivery: Delivery,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) return;
  const target = targets.find((each) => each.name === delivery.target);
  const hook = target?.hooks.find((each) => hookKey(each) === delivery.hook);
  if (!hook) {
    const error = 'the configuration has no such hook any more';
    await finishDelivery(repository.pool, delivery, { status: 'dropped', code: 'hook-gone', error });
    return;
  }
  try {
    await callHook(hook, delivery, signal);
    await finishDelivery(repository.pool, delivery, { status: 'done' });
    repository.metrics.hooks.inc({ result: 'ok' });
  } catch (error) {
    if (signal?.aborted) return;
    await noteFailed(repository, delivery, error);
  }
}

async function noteFailed(repository: Repository, delivery: Delivery, error: unknown): Promise<void> {
  const failure = { code: error instanceof AppError ? error.code : 'hook-failed', error: messageOf(error) };
  const facts = { target: delivery.target, delivery: delivery.id, attempts: delivery.attempts + 1 };
  repository.metrics.hooks.inc({ result: 'failed' });
  if (delivery.attempts + 1 >= MAX_ATTEMPTS) {
    await finishDelivery(repository.pool, delivery, { status: 'failed', ...failure });
    repository.log.error({ err: error, ...facts }, 'hook failed, given up');
    return;
  }
  const waitMs = Math.min(HOOK_RETRY_FIRST_MS * 2 ** delivery.attempts, HOOK_RETRY_MAX_MS);
  await postponeDelivery(repository.pool, delivery, { ...failure, waitMs });
  repository.log.warn({ err: error, ...facts, waitMs }, 'hook failed, tried again');
}
