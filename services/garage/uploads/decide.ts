/**
 * The one transaction that decides an upload: status, source, builds and mail together or not at all.
 * Compare-and-set: an upload that somebody else decided meanwhile is left as it is.
 */
import { transaction, type Client } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { planBuilds } from '../dispatch/plan.ts';
import { queueMail } from '../mail/outbox.ts';
import { acceptedMail, rejectedMail } from './mails.ts';
import { sourceDirectory } from './places.ts';
import type { Rejection } from './rejection.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadFacts, VerifiedSource } from './verify.ts';

/** verifying -> accepted. */
export async function acceptUpload(
  garage: Garage,
  upload: UploadRow,
  verified: VerifiedSource,
  facts: UploadFacts,
): Promise<void> {
  await transaction(garage.pool, async (client) => {
    const { rowCount } = await client.query(
      `update uploads set status = 'accepted', source = $2, version = $3, signed_by = $4, warnings = $5,
              decided_at = now()
        where id = $1 and status = 'verifying'`,
      [upload.id, verified.source, verified.version, facts.signedBy, facts.warnings],
    );
    if (rowCount !== 1) return;
    if (!verified.isRepetition) await insertSource(client, garage, upload, verified);
    await queueMail(client, acceptedMail(garage, upload, verified, facts.warnings));
    await wake(client, GARAGE_CHANNEL);
  });
}

/** verifying -> rejected. */
export async function rejectUpload(
  garage: Garage,
  upload: UploadRow,
  rejection: Rejection,
  facts: UploadFacts,
): Promise<void> {
  await transaction(garage.pool, async (client) => {
    const { rowCount } = await client.query(
      `update uploads set status = 'rejected', source = $2, version = $3, signed_by = $4, warnings = $5,
              reason_code = $6, reason = $7, hint = $8, decided_at = now()
        where id = $1 and status = 'verifying'`,
      [
        ...[upload.id, facts.source, facts.version, facts.signedBy, facts.warnings],
        ...[rejection.code, rejection.message, rejection.hint ?? null],
      ],
    );
    if (rowCount !== 1) return;
    await queueMail(client, rejectedMail(garage, upload, rejection, facts));
    await wake(client, GARAGE_CHANNEL);
  });
}

async function insertSource(
  client: Client,
  garage: Garage,
  upload: UploadRow,
  verified: VerifiedSource,
): Promise<void> {
  const { source, version } = verified;
  // Whoever brings a source first maintains it; later uploaders change nothing about that.
  await client.query(
    `insert into maintainers (product, source, account_id)
     select $1, $2, $3 where not exists (select 1 from sources where product = $1 and name = $2)
     on conflict do nothing`,
    [upload.product, source, upload.accountId],
  );
  const { rows } = await client.query<{ id: string }>(
    `insert into sources (upload_id, product, name, version, component, dsc, architectures, files, directory)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
    [
      ...[upload.id, upload.product, source, version, verified.component, verified.dsc],
      ...[verified.architectures, JSON.stringify(verified.files), sourceDirectory(upload, source, version)],
    ],
  );
  for (const { id } of rows) await planBuilds(client, garage, id);
}
