import type { Queryable } from '../../../shared/database/pool.ts';
import type { UploadStatus } from '../buildme/transitions.ts';

/** An upload with what its handling needs to know of its owner. */
export interface UploadRow {
  id: string;
  product: string;
  /** The owner: whose folder it came in, and who is told. */
  accountId: string;
  login: string;
  email: string;
  admin: boolean;
  /** The owner was disabled meanwhile. */
  disabled: boolean;
  /** The .changes, the .dsc of an upload without one, or the first of orphans. */
  trigger: string;
  /** Bare names as they lay in the owner's folder. */
  files: string[];
  status: UploadStatus;
  source: string | null;
  version: string | null;
  reasonCode: string | null;
  reason: string | null;
  hint: string | null;
  warnings: string[];
  settledAt: Date | null;
  /** How often it failed by our fault. */
  failures: number;
  lastFailure: string | null;
  /** Not tried before this; null: at once, or (once the tries are used up) only when a person says so. */
  retryAt: Date | null;
}

const SELECT = `
  select u.id, u.product, u.account_id as "accountId", a.login, a.email, a.admin,
         a.disabled_at is not null as disabled, u.trigger_file as trigger, u.files, u.status,
         u.source, u.version, u.reason_code as "reasonCode", u.reason, u.hint, u.warnings,
         u.settled_at as "settledAt", u.failures, u.last_failure as "lastFailure", u.retry_at as "retryAt"
    from uploads u join accounts a on a.id = u.account_id`;

/** The upload of that id, or null. */
export async function readUpload(database: Queryable, id: string): Promise<UploadRow | null> {
  const { rows } = await database.query<UploadRow>(`${SELECT} where u.id = $1`, [id]);
  return rows[0] ?? null;
}

/** Uploads whose folder is not at its last place yet, the oldest first. */
export async function unsettledUploads(database: Queryable): Promise<UploadRow[]> {
  const { rows } = await database.query<UploadRow>(
    `${SELECT} where u.settled_at is null order by u.arrived_at, u.id`,
  );
  return rows;
}
