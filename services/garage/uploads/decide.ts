/**
 * The one transaction that decides an upload: status, source, builds and mail together or not at all.
 * Compare-and-set: an upload that somebody else decided meanwhile is left as it is.
 */
import { firstRow, transaction, type Client } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { planBuilds } from '../dispatch/plan.ts';
import { tell } from '../mail/outbox.ts';
import { acceptedMail, rejectedMail } from './mails.ts';
import { sourceDirectory } from './places.ts';
import type { Rejection } from './rejection.ts';
import { insertUploadedSets, planAroundBinaries, replaceWaitingBuilds } from './uploaded-sets.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadFacts, VerifiedUpload } from './verify.ts';
import type { SourcePackage } from './verify-dsc.ts';

/** verifying -> accepted. */
export async function acceptUpload(
  garage: Garage,
  upload: UploadRow,
  verified: VerifiedUpload,
  facts: UploadFacts,
): Promise<void> {
  await transaction(garage.pool, async (client) => {
    const { rowCount } = await client.query(
      `update uploads set status = 'accepted', source = $2, version = $3, signed_by = $4, signed_digests = $5,
              warnings = $6, decided_at = now()
        where id = $1 and status = 'verifying'`,
      [
        ...[upload.id, verified.source, verified.version, facts.signedBy, facts.signedDigests],
        facts.warnings,
      ],
    );
    if (rowCount !== 1) return;
    await takeContent(client, garage, upload, verified);
    const mail = acceptedMail(garage, upload, verified, facts.warnings);
    await tell(garage, client, mail, 'accepted', upload.product);
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
      `update uploads set status = 'rejected', source = $2, version = $3, signed_by = $4, signed_digests = $5,
              warnings = $6, reason_code = $7, reason = $8, hint = $9, decided_at = now()
        where id = $1 and status = 'verifying'`,
      [
        ...[upload.id, facts.source, facts.version, facts.signedBy, facts.signedDigests],
        ...[facts.warnings, rejection.code, rejection.message, rejection.hint],
      ],
    );
    if (rowCount !== 1) return;
    await tell(garage, client, rejectedMail(garage, upload, rejection, facts), 'rejected', upload.product);
    await wake(client, GARAGE_CHANNEL);
  });
}

async function takeContent(
  client: Client,
  garage: Garage,
  upload: UploadRow,
  verified: VerifiedUpload,
): Promise<void> {
  if (verified.isRepetition) return;
  const { sourcePackage, binaries } = verified;
  if (sourcePackage) {
    const id = await insertSource(client, upload, verified, sourcePackage);
    const product = garage.common.products.find(({ name }) => name === upload.product);
    const { architectures } = sourcePackage;
    if (product) await planAroundBinaries(client, product, { id, architectures }, binaries);
    await planBuilds(client, garage, id);
    await insertUploadedSets(client, upload.id, id, binaries);
  } else if (verified.sourceId !== null) {
    await replaceWaitingBuilds(client, verified.sourceId, binaries);
    await insertUploadedSets(client, upload.id, verified.sourceId, binaries);
  }
}

async function insertSource(
  client: Client,
  upload: UploadRow,
  verified: VerifiedUpload,
  sourcePackage: SourcePackage,
): Promise<string> {
  const { source, authority } = verified;
  const { version, component, dsc, architectures, files } = sourcePackage;
  // Whoever brings a source first maintains it; later uploaders change nothing about that.
  await client.query(
    `insert into maintainers (product, source, account_id)
     select $1, $2, $3 where not exists (select 1 from sources where product = $1 and name = $2)
     on conflict do nothing`,
    [upload.product, source, authority.accountId],
  );
  const { rows } = await client.query<{ id: string }>(
    `insert into sources (upload_id, product, name, version, component, dsc, architectures, files, directory)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
    [
      ...[upload.id, upload.product, source, version, component, dsc],
      ...[architectures, JSON.stringify(files), sourceDirectory(upload, source, verified.version)],
    ],
  );
  return firstRow(rows, 'source-not-recorded', `${source} ${version} could not be recorded`).id;
}
