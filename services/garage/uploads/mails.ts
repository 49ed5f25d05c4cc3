/** What the uploader is told. Never the Maintainer or Changed-By: nobody has verified that they are. */
import type { Garage } from '../context.ts';
import type { NewMail } from '../mail/outbox.ts';
import type { Rejection } from './rejection.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadFacts, VerifiedSource } from './verify.ts';

export function acceptedMail(
  garage: Garage,
  upload: UploadRow,
  verified: VerifiedSource,
  warnings: string[],
): NewMail {
  const queue = garage.common.queues[0].name;
  const what = `${verified.source} ${verified.version} for ${upload.product}`;
  const news = verified.isRepetition
    ? `${what} was accepted before with the same content; nothing new is built.`
    : `${what} is accepted into ${queue} and will be built.`;
  return {
    ...addressed(upload, verified.source),
    kind: 'upload-accepted',
    subject: `${upload.trigger} ACCEPTED into ${queue}`,
    body: body(garage, upload, [news, ...warnings.map((warning) => `Warning: ${warning}`)]),
  };
}

export function rejectedMail(
  garage: Garage,
  upload: UploadRow,
  rejection: Rejection,
  facts: UploadFacts,
): NewMail {
  const hint = rejection.hint === undefined ? [] : [rejection.hint];
  return {
    ...addressed(upload, facts.source),
    kind: 'upload-rejected',
    subject: `${upload.trigger} REJECTED`,
    body: body(garage, upload, [rejection.message, ...hint]),
  };
}

function addressed(
  upload: UploadRow,
  source: string | null,
): Pick<NewMail, 'subjectKey' | 'recipient' | 'thread' | 'headers'> {
  return {
    subjectKey: upload.id,
    recipient: upload.email,
    thread: `${upload.product}/${source ?? upload.trigger}`,
    headers: source === null ? {} : { 'X-Debian-Package': source },
  };
}

function body(garage: Garage, upload: UploadRow, paragraphs: string[]): string {
  const link = `${garage.config.url.replace(/\/$/, '')}/uploads/${upload.id}`;
  return `${[...paragraphs, link].join('\n\n')}\n`;
}
