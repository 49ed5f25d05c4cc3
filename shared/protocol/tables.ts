/**
 * What one service's tables promise the others. Garage owns schema `garage`, the repository owns
 * schema `repository`; each migrates its own. Across the border only this is used:
 *
 * - `repository.orders`: garage inserts rows (`NewOrder`, `NewRollback`, `NewRemoval`), the repository alone changes their status.
 * - `repository.sets`: written by the repository, read by garage (`SetRow`): what became of a set.
 * - `repository.published`: a view, read by garage (`PublishedRow`): what each queue holds now.
 * - `repository.generations`, `repository.generation_changes` with `repository.packages`: written by the
 *   repository, read by garage for pages (generation-history.ts says how).
 * - `repository.newest_generations`: a view (queue, product, number), read by garage: the newest published one of each,
 *   at the cost of a few looks into an index.
 * - `repository.sync_targets`, `repository.sync_states`: live targets (`SyncTargetRow`), read by garage for pages and
 *   for the places that clients fetch from.
 * - `repository.mirrors` (mirrors.ts says what of it): local mirrors of other archives, read by garage where products name one.
 * - `repository.archive_keys` (`ArchiveKeyRow`), `repository.signing_state` (`SigningStateRow`, one row): the keys that
 *   sign and whether signatures come; read by garage to warn admins.
 * - `repository.held_identities` (`HeldIdentityRow`): changes of Origin and the like that wait for an admin; read by
 *   garage to say so.
 * - `garage.check_results`: a view (`CheckResultRow`), read by the repository: what was found when built packages
 *   were checked, of each build's last success.
 * - `garage.promotion_rights`: a view (login, admin, product, source), read by the repository: a row
 *   with admin true has null product and source and may promote anything.
 *
 * NOTIFY on the channels below only says "look now" (design.md, level-triggered).
 */

/** Somebody has work for garage: new files, a finished set or order. */
export const GARAGE_CHANNEL = 'garage_wake';
/** Somebody has work for the repository: a set handed over, an order written. */
export const REPOSITORY_CHANNEL = 'repository_wake';

export type OrderStatus = 'requested' | 'blocked' | 'accepted' | 'done' | 'refused';

/** A promotion order as garage writes it. */
export interface NewOrder {
  kind: 'promote';
  product: string;
  source: string;
  /** null: whatever version the `from` queue holds when it is carried out. */
  source_version: string | null;
  from_queue: string;
  to_queue: string;
  /** Login, or null for an admin on the garage host's command line. */
  requested_by: string | null;
}

/** Going back to what a queue held: a new generation with the content of an older one. */
export interface NewRollback {
  kind: 'rollback';
  product: string;
  /** null: every source that differs. */
  source: null;
  source_version: null;
  /** The same as `to_queue`. */
  from_queue: string;
  to_queue: string;
  /** Number of the generation whose content comes back. */
  to_generation: number;
  /** The newest that the requester saw; the order is refused when another one has changed something since. */
  from_generation: number | null;
  requested_by: string | null;
}

/** Taking a source with its binaries out of a queue. */
export interface NewRemoval {
  kind: 'remove';
  product: string;
  source: string;
  /** null: every version. */
  source_version: string | null;
  /** The same as `to_queue`. */
  from_queue: string;
  to_queue: string;
  /** Also when something that stays could not be installed without it. */
  force: boolean;
  requested_by: string | null;
}

/** What the repository alone writes. */
interface OrderState {
  id: string;
  status: OrderStatus;
  reason_code: string | null;
  reason: string | null;
  requested_at: Date;
  finished_at: Date | null;
  generation_id: string | null;
}
export type PromotionRow = NewOrder & OrderState;
export type RollbackRow = NewRollback & OrderState;
export type RemovalRow = NewRemoval & OrderState;
export type OrderRow = PromotionRow | RollbackRow | RemovalRow;

export type SetStatus = 'incoming' | 'installed' | 'quarantined';

export interface SetRow {
  /** The attempt's id. */
  id: string;
  queue: string;
  product: string;
  source: string;
  source_version: string;
  architecture: string;
  status: SetStatus;
  reason_code: string | null;
  reason: string | null;
  generation_id: string | null;
  created_at: Date;
  finished_at: Date | null;
}

export interface PublishedRow {
  queue: string;
  product: string;
  component: string;
  source: string;
  source_version: string;
  /** Binary package names with architecture, `hello_amd64`, sorted. */
  binaries: string[];
  architectures: string[];
  since: Date;
}

/** `pending`: not through yet. `error`: it could not be carried out, which says nothing about the package. */
export type CheckVerdict = 'pending' | 'passed' | 'failed' | 'error';

export interface CheckResultRow {
  product: string;
  source: string;
  version: string;
  architecture: string;
  /** install, lintian, autopkgtest, piuparts or rebuild; a check that is off has no row. */
  name: string;
  blocking: boolean;
  verdict: CheckVerdict;
  /** One sentence for people. */
  message: string | null;
  /** When it ended; null while pending. */
  at: Date | null;
}

/** `new`: never synced. `unreachable`: away or stalled. `degraded`: it answers and does not take what is sent. */
export type TargetHealth = 'new' | 'ok' | 'degraded' | 'unreachable';

/** A live target with one queue and product: `repository.sync_targets` beside `repository.sync_states`. */
export interface SyncTargetRow {
  name: string;
  kind: 'local' | 'ssh' | 'rsync' | 'rclone';
  /** For admins; holds no secret. */
  location: string;
  /** A generation is live once every required target has it. */
  required: boolean;
  /** Where clients find it. */
  public_url: string | null;
  queue: string;
  product: string;
  /** The newest generation there is, and the one that the target has. */
  newest: number;
  generation: number | null;
  health: TargetHealth;
  failing_since: Date | null;
  next_try_at: Date | null;
  error: string | null;
  synced_at: Date | null;
}

export interface ArchiveKeyRow {
  /** Upper-case hexadecimal. */
  fingerprint: string;
  user_id: string;
  backend: 'file' | 'gpg';
  /** `announced` and `active` keys are what clients should know; `active` ones sign. */
  state: 'new' | 'announced' | 'active' | 'retired';
  /** null: never. */
  expires_at: Date | null;
  /** Why it cannot sign, for people; null when it can. */
  problem: string | null;
}

export interface SigningStateRow {
  /** null while signatures come. */
  code: string | null;
  message: string | null;
  since: Date;
}

/** A changed configuration that the repository does not publish by itself: docs/indexes.md. */
export interface HeldIdentityRow {
  queue: string;
  product: string;
  changes: {
    field: string;
    from: string;
    /** '' for lists: `from` would vanish. */
    to: string;
    /** What clients would see, in a sentence. */
    effect: string;
  }[];
  since: Date;
}
