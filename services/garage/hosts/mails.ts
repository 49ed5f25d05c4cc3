import type { Queryable } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import { queueMail } from '../mail/outbox.ts';

export interface HostMail {
  kind: 'host-quarantined' | 'host-returned';
  subjectKey: string;
  host: string;
  subject: string;
  body: string;
}

/** To every admin who has not been disabled; part of the caller's transaction. */
export async function tellAdmins(
  database: Queryable,
  garage: Pick<Garage, 'config'>,
  { host, body, ...mail }: HostMail,
): Promise<void> {
  const { rows } = await database.query<{ email: string }>(
    'select email from accounts where admin and disabled_at is null order by id',
  );
  const page = `${garage.config.url.replace(/\/+$/, '')}/hosts`;
  for (const { email } of rows) {
    const thread = `hosts/${host}`;
    await queueMail(database, { ...mail, recipient: email, thread, body: `${body}\n\n${page}\n` });
  }
}
