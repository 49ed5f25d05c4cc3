/** Mails to admins about the archive's keys: one for each warning, told once. */
import type { Garage } from '../context.ts';
import { queueMail } from '../mail/outbox.ts';
import { signingWarnings } from './warnings.ts';

/** A trouble that ends within this (a signer that is started again) is not worth a mail. */
const TROUBLE_GRACE = '5 minutes';

/** A round function: queues what has not been told yet. */
export async function mailKeyWarnings(garage: Garage, now = new Date()): Promise<void> {
  const warnings = await signingWarnings(garage.pool, now, TROUBLE_GRACE);
  if (warnings.length === 0) return;
  const { rows } = await garage.pool.query<{ email: string }>(
    'select email from accounts where admin and disabled_at is null order by id',
  );
  for (const { id, subject, text } of warnings) {
    for (const { email } of rows) {
      await queueMail(garage.pool, {
        ...{ kind: 'archive-key', subjectKey: id, recipient: email, thread: 'archive-keys' },
        subject: `${garage.common.name}: ${subject}`,
        body: `${text}\n\nOn the repository's host: autobuilder key status\n`,
      });
    }
  }
}
