import { z } from 'zod';
import { cronExpression, listenAddress, readableFile, secretFile } from '../../shared/config/fields.ts';
import { productName } from '../../shared/protocol/names.ts';

const mailLists = z.strictObject({
  accepted: z.array(z.email()).default([]),
  rejected: z.array(z.email()).default([]),
  result: z.array(z.email()).default([]),
});

const smtpSection = z
  .strictObject({
    host: z.string(),
    port: z.number().int().min(1).max(65535).default(25),
    /** TLS from the first byte (port 465). */
    secure: z.boolean().default(false),
    /**
     * Where the server does not begin with TLS: go on without it or not. A password is sent through TLS only,
     * unless the server is this machine.
     */
    starttls: z.enum(['required', 'offered', 'never']).default('offered'),
    /** Certificates (PEM) of who vouches for the server's, when it is not one that everybody knows. */
    caFile: readableFile.optional(),
    user: z.string().optional(),
    passwordFile: secretFile.optional(),
  })
  .refine((smtp) => (smtp.user === undefined) === (smtp.passwordFile === undefined), {
    message: 'user and passwordFile belong together',
  });

/** Section `garage`. Every default works on one machine with everything embedded. */
export const garageSection = z.strictObject({
  /** Where web and API listen. */
  listen: listenAddress.prefault('127.0.0.1:8080'),
  /** How people reach the web; links in mails start with it. */
  url: z.url().prefault('http://127.0.0.1:8080'),
  /** Where builders and apt clients reach live, and what "how to install" shows. */
  repositoryUrl: z.url().prefault('http://127.0.0.1:8081'),
  /** Where builders reach local mirrors, a folder each; default `<repositoryUrl>/mirror`. */
  mirrorsUrl: z.url().optional(),
  /** Shown in "how to upload". */
  upload: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: z.number().int().min(1).max(65535).default(2222),
    })
    .prefault({}),
  /** Where the accounts snapshot for drop is written; default `$AUTOBUILDER_HOME/drop/accounts.json`. */
  accountsSnapshot: z.string().optional(),
  /** buildme's own schedule, beside being woken (cron, five or six fields). */
  schedule: cronExpression.prefault('* * * * *'),
  /** A listed file that is missing is waited for this long after the last one arrived, then rejected. */
  missingFileGraceS: z.number().nonnegative().default(30),
  /** A .dsc without .changes is taken when nothing has arrived for this long. */
  loneDscGraceS: z.number().nonnegative().default(60),
  build: z
    .strictObject({
      driver: z.enum(['auto', 'overlay', 'sbuild']).default('auto'),
      timeoutS: z
        .number()
        .int()
        .positive()
        .default(4 * 3600),
      maxLogBytes: z
        .number()
        .int()
        .positive()
        .default(256 * 1024 * 1024),
      /** A build that writes nothing for so long is ended. */
      silenceS: z
        .number()
        .int()
        .positive()
        .default(150 * 60),
      /** Of all its processes together, and never more than 9/10 of what the host has. */
      maxMemoryBytes: z
        .number()
        .int()
        .positive()
        .default(16 * 1024 ** 3),
      /** Of what it writes. */
      maxDiskBytes: z
        .number()
        .int()
        .positive()
        .default(50 * 1024 ** 3),
      /** A host with less on its disk gets its builds given back. */
      minFreeBytes: z
        .number()
        .int()
        .nonnegative()
        .default(1024 ** 3),
      /** Processes and threads at a time. */
      maxProcesses: z.number().int().min(64).default(4096),
      /** How long a host may be silent before its attempt is given back. */
      leaseS: z.number().int().positive().default(120),
      /** Machine faults after which a build is no longer retried by itself. */
      maxGivenBack: z.number().int().nonnegative().default(3),
    })
    .prefault({}),
  bases: z
    .strictObject({
      /** When bases that are due are refreshed on each host, one at a time (cron, five or six fields). */
      schedule: cronExpression.prefault('23 * * * *'),
    })
    .prefault({}),
  mail: z
    .strictObject({
      from: z.email().default('autobuilder@localhost.localdomain'),
      /** Who is told beside the uploader: addresses that the admin vouches for. */
      lists: mailLists
        .extend({
          /** Further ones of one product. */
          products: z.record(productName, mailLists).default({}),
        })
        .prefault({}),
      /** Without it, mail goes into `$AUTOBUILDER_HOME/mail` as .eml files. */
      smtp: smtpSection.optional(),
    })
    .prefault({}),
});
export type GarageConfig = z.infer<typeof garageSection>;
