/** What the uploader is told. Never the Maintainer or Changed-By: nobody has verified that they are. */
import type { Garage } from '../context.ts';
import type { NewMail } from '../mail/outbox.ts';
import type { Rejection } from './rejection.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadFacts, VerifiedUpload } from './verify.ts';

export function acceptedMail(
  garage: Garage,
  upload: UploadRow,
  verified: VerifiedUpload,
  warnings: string[],
): NewMail {
  const queue = garage.common.queues[0].name;
  const what = `${verified.source} ${verified.version} for ${upload.product}`;
  return {
    ...addressed({ ...upload, version: verified.version }, verified.source, 'accepted'),
    kind: 'upload-accepted',
    subject: `${upload.trigger} ACCEPTED into ${queue}`,
    body: body(garage, upload, [
      news(verified, what, queue),
      ...warnings.map((warning) => `Warning: ${warning}`),
    ]),
  };
}

function news(verified: VerifiedUpload, what: string, queue: string): string {
  if (verified.isRepetition) {
    return `${what} was accepted before with the same content; nothing new is built.`;
  }
  const { binaries, sourcePackage } = verified;
  if (binaries.length === 0) return `${what} is accepted into ${queue} and will be built.`;
  const came = binaries.map(({ architecture }) => architecture).join(', ');
  const rest = sourcePackage ? '; what else it is for will be built' : '';
  return `${what} is accepted into ${queue} with its binaries for ${came}, which are published as they came${rest}.`;
}

export function rejectedMail(
  garage: Garage,
  upload: UploadRow,
  rejection: Rejection,
  facts: UploadFacts,
): NewMail {
  return {
    ...addressed({ ...upload, version: facts.version }, facts.source, 'rejected'),
    kind: 'upload-rejected',
    subject: `${upload.trigger} REJECTED`,
    body: body(garage, upload, [rejection.message, rejection.hint]),
  };
}

/** Binaries without a build of ours that the repository refused after they had been accepted. */
export function refusedBinariesMail(garage: Garage, upload: UploadRow, reason: string): NewMail {
  return {
    ...addressed(upload, upload.source, 'rejected'),
    kind: 'binaries-refused',
    subject: `${upload.trigger} REJECTED`,
    body: body(garage, upload, [reason, 'Its binaries are not published. Build them again and upload them.']),
  };
}

function addressed(
  upload: UploadRow,
  source: string | null,
  result: 'accepted' | 'rejected',
): Pick<NewMail, 'subjectKey' | 'recipient' | 'thread' | 'headers'> {
  return {
    subjectKey: upload.id,
    recipient: upload.email,
    thread: `${upload.product}/${source ?? upload.trigger}`,
    headers: {
      ...(source === null ? {} : { 'X-Debian-Package': source }),
      ...(upload.version === null ? {} : { 'X-Debian-Version': upload.version }),
      'X-Autobuilder-Product': upload.product,
      'X-Autobuilder-Result': result,
    },
  };
}

function body(garage: Garage, upload: UploadRow, paragraphs: string[]): string {
  const link = `${garage.config.url.replace(/\/$/, '')}/uploads/${upload.id}`;
  return `${[...paragraphs, link].join('\n\n')}\n`;
}
