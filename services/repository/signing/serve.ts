/** The signer's side of a connection: requests one after the other, an answer for each. */
import type { Duplex } from 'node:stream';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { readLines, writeLine } from './lines.ts';
import { OPERATIONS, request, type OperationName } from './protocol.ts';
import type { Signing } from './signing.ts';

/** Asked and not answered; the repository has a handful of queues and products under way at once. */
const MAX_WAITING = 64;

/** Answers until the other side ends the connection. */
export function serveConnection(stream: Duplex, signing: Signing, log: Logger): void {
  let waiting = 0;
  // One at a time: a card does one thing at a time, and changes of keys do not overtake signatures.
  let last: Promise<void> = Promise.resolve();
  readLines(stream, (value) => {
    const parsed = request.safeParse(value);
    if (!parsed.success || waiting >= MAX_WAITING) {
      stream.destroy();
      return;
    }
    waiting += 1;
    const before = last;
    const answer = async (): Promise<void> => {
      await before;
      writeLine(stream, await answerTo(parsed.data, signing, log));
      waiting -= 1;
    };
    last = answer();
  });
  stream.on('error', () => undefined); // whoever asked is gone
}

async function answerTo(
  {
    id,
    operation,
    requester,
    value,
  }: { id: number; operation: OperationName; requester: string; value?: unknown },
  signing: Signing,
  log: Logger,
): Promise<unknown> {
  try {
    const takes = OPERATIONS[operation].takes.safeParse(value);
    if (!takes.success) throw new AppError('signer-request-invalid', `Not in the form of '${operation}'`);
    return { id, value: await signing.handle(operation, takes.data, requester) };
  } catch (error) {
    if (error instanceof AppError) {
      const { code, message, hint } = error;
      log.warn({ operation, code }, message);
      return { id, error: { code, message, ...(hint === undefined ? {} : { hint }) } };
    }
    log.error({ err: error, operation }, 'the signer failed');
    return { id, error: { code: 'signer-failed', message: messageOf(error) } };
  }
}
