/**
 * What the runner and the process inside a target say to each other. Requests are JSON lines; answers are
 * frames (kind, length, payload), so that output and the command's end keep their order in one pipe. The
 * inner side may have been taken over by a package's scripts: nothing it says is believed beyond this form.
 */
import { z } from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';

/** First line: the system to make. */
export const targetSpec = z.strictObject({
  /** `overlay`: over the base's root; `copy`: `root` is already a copy. */
  kind: z.enum(['overlay', 'copy']),
  lower: z.string(),
  /** The folder with `root`, `upper` and `work`. */
  folder: z.string(),
  /** The network namespace is a fresh one, which has loopback only. */
  sealed: z.boolean(),
});
export type TargetSpec = z.infer<typeof targetSpec>;

/** Every other line: a command to run in the target. */
export const execRequest = z.strictObject({
  argv: z.array(z.string()).min(1),
  user: z.enum(['root', 'builder']),
  /** The kernel's limit on what the build user runs; null for none. */
  processes: z.number().int().positive().nullable(),
  cwd: z.string(),
  env: z.record(z.string(), z.string()),
});
export type ExecRequest = z.infer<typeof execRequest>;

export const reply = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ready') }),
  z.strictObject({
    kind: z.literal('exit'),
    code: z.number().int().nullable(),
    signal: z.string().nullable(),
  }),
  z.strictObject({ kind: z.literal('error'), message: z.string() }),
]);
export type Reply = z.infer<typeof reply>;

const OUTPUT = 0x6f; // o
const REPLY = 0x72; // r
const HEADER_BYTES = 5;
/** Node reads pipes in pieces of 64 KiB; anything much larger is not from us. */
const MAX_FRAME_BYTES = 1024 * 1024;

function frame(kind: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = kind;
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

export function outputFrame(chunk: Uint8Array): Buffer {
  return frame(OUTPUT, chunk);
}

export function replyFrame(value: Reply): Buffer {
  return frame(REPLY, Buffer.from(JSON.stringify(value)));
}

export interface FrameHandlers {
  output(chunk: Buffer): void;
  reply(value: Reply): void;
}

/** A function that takes the pipe's pieces. It throws `target-protocol` for anything not in the form. */
export function frameDecoder(handlers: FrameHandlers): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= HEADER_BYTES) {
      const length = pending.readUInt32BE(1);
      if (length > MAX_FRAME_BYTES)
        throw new AppError('target-protocol', 'A frame from the target is too long');
      if (pending.length < HEADER_BYTES + length) return;
      const payload = pending.subarray(HEADER_BYTES, HEADER_BYTES + length);
      const kind = pending[0];
      pending = pending.subarray(HEADER_BYTES + length);
      if (kind === OUTPUT) handlers.output(payload);
      else handlers.reply(parseReply(kind, payload));
    }
  };
}

function parseReply(kind: number | undefined, payload: Buffer): Reply {
  try {
    if (kind === REPLY) return reply.parse(JSON.parse(payload.toString('utf8')));
  } catch (error) {
    throw new AppError('target-protocol', 'The target answers what is no reply', { cause: error });
  }
  throw new AppError('target-protocol', 'A frame from the target is of no known kind');
}
