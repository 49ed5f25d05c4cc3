/**
 * The same signed text sent again. Its signer may send it again (a transfer that broke, a missing file);
 * somebody else may not, nor does sending it again bring back what the archive has given up since.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import { reject } from './rejection.ts';
import type { Signer } from './signature.ts';
import type { UploadRow } from './upload-row.ts';

interface Earlier {
  product: string;
  status: string;
  accountId: string;
  arrivedAt: Date;
}

export interface EarlierUploads {
  /** When the same signed text was first accepted for the product; null for never. */
  acceptedAt: Date | null;
}

/** What became of the same text before. Rejects `upload-replayed` where it first came from another account. */
export async function requireOwnUpload(
  database: Queryable,
  upload: Pick<UploadRow, 'id' | 'product' | 'accountId' | 'trigger'>,
  signer: Signer,
): Promise<EarlierUploads> {
  const { rows } = await database.query<Earlier>(
    `select product, status, account_id as "accountId", arrived_at as "arrivedAt" from uploads
      where signed_digests && array[$1] and id <> $2 and status in ('accepted', 'rejected')
      order by arrived_at, id`,
    [signer.digest, upload.id],
  );
  const [first] = rows;
  // Its signer is never too late: somebody who got hold of it may have been quicker.
  if (first && first.accountId !== upload.accountId && signer.accountId !== upload.accountId) {
    throw reject('upload-replayed', { file: upload.trigger, date: day(first.arrivedAt) });
  }
  const accepted = rows.find((each) => each.status === 'accepted' && each.product === upload.product);
  return { acceptedAt: accepted?.arrivedAt ?? null };
}

/** Rejects what was accepted for the product before and is not in its archive any more. */
export function requireNotWithdrawn(
  earlier: EarlierUploads,
  upload: Pick<UploadRow, 'product' | 'trigger'>,
): void {
  if (earlier.acceptedAt === null) return;
  const { trigger: file, product } = upload;
  throw reject('upload-withdrawn', { file, product, date: day(earlier.acceptedAt) });
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
