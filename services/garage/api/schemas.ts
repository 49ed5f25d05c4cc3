/** What the API answers, field by field; /api/openapi.json is made from this. */
import { z } from 'zod';
import { EXIT_CLASSES, STAGES } from '../../../shared/protocol/job.ts';

const time = z.iso.datetime().describe('UTC.');
const text = z.string().nullable();
const id = z.string().describe('A number as text.');
const url = z.url().describe('Its page on the web.');
const status = z.string();

export const upload = z.object({
  id: z.uuid(),
  product: z.string(),
  uploader: z.string(),
  triggerFile: z.string().describe('The .changes, or the .dsc of an upload without one.'),
  status: status.describe('arriving, verifying, accepted or rejected'),
  source: text,
  version: text,
  reasonCode: text.describe('Why it was rejected; stable.'),
  reason: text,
  hint: text,
  warnings: z.array(z.string()),
  arrivedAt: time,
  decidedAt: time.nullable(),
  url,
});

export const source = z.object({
  id,
  product: z.string(),
  source: z.string(),
  version: z.string(),
  component: z.string(),
  architectures: z.array(z.string()).describe('The Architecture field of its .dsc.'),
  uploader: z.string(),
  uploadId: z.uuid(),
  acceptedAt: time,
  url,
});

export const build = z.object({
  id,
  product: z.string(),
  source: z.string(),
  version: z.string(),
  sourceId: id,
  uploadId: z.uuid(),
  architecture: z.string(),
  binaries: z.string().describe('What is built there: any, all or both.'),
  status: status.describe('needs-build, building, built, uploaded, installed, dep-wait, attempted, ...'),
  failClass: text.describe('Whose fault the last end was.'),
  failReason: text,
  givenBack: z.int().describe("How often a machine's fault gave it back."),
  createdAt: time,
  updatedAt: time,
  url,
});

export const attempt = z.object({
  number: z.int(),
  host: z.string(),
  slot: z.int(),
  stage: z.string().describe(`The runner's last known stage: ${STAGES.join(' ')}`),
  exitClass: text.describe(`Null while it runs, then one of: ${EXIT_CLASSES.join(' ')}`),
  message: text,
  stageSeconds: z.record(z.string(), z.number()).describe('Seconds spent in each stage it went through.'),
  startedAt: time,
  finishedAt: time.nullable(),
  logUrl: z.url().describe('Its log as text; grows while it runs.'),
});

export const uploadDetails = upload.extend({
  signedBy: text.describe('Fingerprint of the key that signed it.'),
  files: z.array(z.object({ name: z.string(), size: z.number().nullable() })),
  builds: z.array(build),
});

const waiting = z.object({
  code: z.string().describe('running, starting, queue, batch, dep-wait, backoff, no-host, ...; stable.'),
  says: z.string().describe('One sentence for people.'),
  details: z.array(z.string()).describe('Further sentences: builds, hosts or packages by name.'),
  ahead: z.int().nullable().describe('Builds that are before it; null where that is not the question.'),
  estimate: z
    .object({
      startsAt: time,
      endsAt: time,
      basis: z.string().describe('What it is guessed from: source or product, by past builds; none.'),
    })
    .nullable()
    .describe('Null where nobody can tell.'),
});

export const buildDetails = build.extend({
  waiting: waiting.nullable().describe('Why it is where it is; null for a build that is over.'),
  attempts: z.array(attempt).describe('The newest first.'),
});

export const host = z.object({
  name: z.string(),
  architectures: z.array(z.string()),
  slots: z.int(),
  busySlots: z.int(),
  status,
  lastSeenAt: time.nullable(),
  address: z.string().optional().describe('For admins only.'),
  port: z.int().optional().describe('For admins only.'),
  lastError: text.optional().describe('For admins only.'),
});

export const queue = z.object({
  queue: z.string(),
  product: z.string(),
  generation: z.int().nullable().describe('Null before the first publication.'),
  status: text,
  createdAt: time.nullable(),
  liveAt: time.nullable(),
  url,
});

export const generation = z.object({
  queue: z.string(),
  product: z.string(),
  number: z.int(),
  status: status.describe('staged or live'),
  cause: z.string().describe('set, promotion, rollback, renewal, ...'),
  who: text.describe('Null for the system itself, and for many at once.'),
  added: z.int().describe('Packages, each architecture for itself.'),
  removed: z.int(),
  createdAt: time,
  liveAt: time.nullable(),
  snapshot: text.describe('Its name below <queue>/snapshot/ as long as it is kept.'),
  backTo: z.int().nullable().describe('Of a rollback: the generation whose content came back.'),
  url,
});

const difference = z.object({
  change: z.string().describe('added, removed, upgraded or downgraded'),
  kind: z.string().describe('source, deb or udeb'),
  name: z.string(),
  architecture: z.string(),
  source: z.string(),
  from: text.describe('The newest version in the other generation; null: not there.'),
  to: text.describe('The newest version in this generation; null: not there.'),
});

export const generationDetails = generation.extend({
  from: z.int().nullable().describe('The generation it is compared with.'),
  changes: z.array(difference),
  isCut: z.boolean().describe('More differs than one answer lists.'),
});

export const published = z.object({
  source: z.string(),
  version: z.string(),
  component: z.string(),
  architectures: z.array(z.string()),
  binaries: z.array(z.string()).describe('Name and architecture: hello_amd64.'),
  since: time,
});

export const order = z.object({
  id,
  kind: z.string().describe('promote, rollback or remove'),
  product: z.string(),
  source: text.describe('Null for a rollback, which takes every source that differs.'),
  version: text,
  from: text,
  to: text,
  toGeneration: z.int().nullable().describe('What a rollback goes back to.'),
  status: status.describe('requested, blocked, accepted, done or refused'),
  reasonCode: text,
  reason: text,
  requestedBy: text,
  requestedAt: time,
  finishedAt: time.nullable(),
});
