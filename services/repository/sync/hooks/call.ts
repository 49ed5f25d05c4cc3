/** Calls one hook: a command of this machine, or a web address. */
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError, messageOf } from '../../../../shared/errors/app-error.ts';
import { minimalEnvironment, runChecked } from '../../../../shared/process/run.ts';
import { HOOK_TIMEOUT_S, type HookConfig } from '../config.ts';
import type { Delivery, HookPayload } from './rows.ts';

/** Nobody reads it; what says more is cut off by ending the command. */
const MAX_OUTPUT_BYTES = 256 * 1024;

/** Throws `hook-failed` with what went wrong; the body and the secret are never in it. */
export async function callHook(hook: HookConfig, delivery: Delivery, signal?: AbortSignal): Promise<void> {
  const timeoutMs = (hook.timeoutS ?? HOOK_TIMEOUT_S) * 1000;
  const [program, ...args] = hook.command ?? [];
  if (program !== undefined) {
    await callCommand([program, ...args], delivery.payload, timeoutMs, signal);
  } else if (hook.url !== undefined) {
    await callAddress(hook.url, hook.secretFile, delivery, timeoutMs, signal);
  }
}

async function callCommand(
  argv: readonly [string, ...string[]],
  payload: HookPayload,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const { target, location, publicUrl, queue, product, generation } = payload;
  await runChecked(argv, {
    ...{ timeoutMs, maxOutputBytes: MAX_OUTPUT_BYTES, input: `${JSON.stringify(payload)}\n` },
    env: minimalEnvironment({
      AUTOBUILDER_EVENT: payload.event,
      AUTOBUILDER_TARGET: target,
      AUTOBUILDER_LOCATION: location,
      AUTOBUILDER_PUBLIC_URL: publicUrl ?? '',
      AUTOBUILDER_QUEUE: queue,
      AUTOBUILDER_PRODUCT: product,
      AUTOBUILDER_GENERATION: String(generation),
    }),
    ...(signal ? { signal } : {}),
  }).catch((error: unknown) => {
    throw new AppError('hook-failed', messageOf(error), { cause: error });
  });
}

async function callAddress(
  url: string,
  secretFile: string | undefined,
  delivery: Delivery,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const body = JSON.stringify(delivery.payload);
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'autobuilder',
    'x-autobuilder-event': delivery.payload.event,
    // The same at each try, so that a receiver can tell a repetition.
    'x-autobuilder-delivery': delivery.id,
  };
  if (secretFile !== undefined) {
    const secret = (await readFile(secretFile, 'utf8')).trim();
    const sum = createHmac('sha256', secret).update(body).digest('hex');
    headers['x-autobuilder-signature'] = `sha256=${sum}`;
  }
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])];
  const answer = await fetch(url, {
    ...{ method: 'POST', headers, body, redirect: 'error', signal: AbortSignal.any(signals) },
  }).catch((error: unknown) => {
    throw new AppError('hook-failed', `the address did not answer: ${reason(error)}`, { cause: error });
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new AppError('hook-failed', `the address answered ${String(answer.status)}`);
}

/** fetch says "fetch failed" and keeps why to itself. */
function reason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? cause.message || messageOf(error) : messageOf(error);
}
