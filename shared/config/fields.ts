/** Kinds of settings that several sections use. */
import { accessSync, constants } from 'node:fs';
import { validate } from 'node-cron';
import { z } from 'zod';

/** A secret given by path; refused when this process cannot read it. */
export const secretFile = z
  .string()
  .startsWith('/', 'must be an absolute path of a file that holds the secret')
  .superRefine((file, context) => {
    try {
      accessSync(file, constants.R_OK);
    } catch {
      context.addIssue({
        code: 'custom',
        message: `the secret file '${file}' cannot be read; create it (mode 0600, owned by the service's user) or correct the path`,
      });
    }
  });

/** A file that must be there, given by its absolute path. */
export const readableFile = z
  .string()
  .startsWith('/', 'must be an absolute path')
  .superRefine((file, context) => {
    try {
      accessSync(file, constants.R_OK);
    } catch {
      context.addIssue({ code: 'custom', message: `the file '${file}' cannot be read; correct the path` });
    }
  });

/** `host:port`, default loopback. */
const LISTEN_FORM = 'must be host:port, for example 127.0.0.1:8080';
export const listenAddress = z
  .string(LISTEN_FORM)
  .regex(/^([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/, LISTEN_FORM)
  .transform((text) => {
    const at = text.lastIndexOf(':');
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
  });
export type ListenAddress = z.infer<typeof listenAddress>;

/** A schedule as in crontab(5), with seconds in front if there are six fields. */
export const cronExpression = z
  .string()
  .refine(
    (text) => validate(text),
    "must be a cron expression of five or six fields, for example '*/5 * * * *'",
  );
