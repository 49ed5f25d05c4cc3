/** Everything that a check can find: what it means for clients, and what a repair does about it. */

/** Either a repair or a person does something about it. */
type Kind = {
  /** For people who run apt. */
  means: string;
} & (
  | {
      /** What `--repair` does. It never deletes a published byte and makes none up. */
      repair: string;
      person: null;
    }
  | {
      repair: null;
      /** What whoever reads it does. */
      person: string;
    }
);

/** Codes are stable: scripts and documentation name them. */
export const FINDINGS = {
  'member-file-missing': {
    means: 'apt shows the package, and fetching it fails with 404',
    repair: null,
    person: 'put a copy under its name and check with `--repair`, or `autobuilder remove` the source',
  },
  'kept-file-missing': {
    means:
      'a snapshot, or the source of something that is published, cannot be fetched; the newest state can',
    repair: null,
    person:
      'put a copy under its name and check with `--repair`; what only a snapshot needs is forgotten with it',
  },
  'pool-link-missing': {
    means: 'fetching the file from this queue fails with 404',
    repair: 'links it again from an intact copy',
    person: null,
  },
  'pool-file-changed': {
    means: 'apt refuses the file: Hash Sum mismatch',
    repair: null,
    person:
      'put the published file back; while there is none, delete this one, `autobuilder remove` the source and upload a higher version',
  },
  'pool-copy-changed': {
    means: 'apt refuses the file: Hash Sum mismatch',
    repair: 'puts an intact copy in its place and keeps the changed file in quarantine',
    person: null,
  },
  'pool-file-odd': {
    means: 'fetching it fails: it is no regular file',
    repair: null,
    person: 'see who put it there and delete it; what belongs there comes back by `--repair`',
  },
  'pool-file-mode': {
    means: 'a web server may not read the file (403), or somebody else may change it',
    repair: 'makes the mode 0644',
    person: null,
  },
  'pool-file-stray': {
    means: 'none: no index names it, but who knows its name can fetch it',
    repair: null,
    person: 'see who put it there and delete it',
  },
  'pool-temporary-left': {
    means: 'none',
    repair: 'removes what a run that was cut off left behind',
    person: null,
  },
  'file-unrecorded': {
    means: 'none now; its content is not known, so a change of it cannot be found',
    repair: null,
    person: 'put the database back from a backup, or upload a higher version',
  },
  'generation-damaged': {
    means: 'apt-get update fails, or shows too little',
    repair: 'publishes the same content as a new generation, made from the database alone',
    person: null,
  },
  'generation-missing': {
    means: 'its snapshot is gone; if it is the newest, nothing can be synced',
    repair: 'forgets the snapshot; the newest is published anew',
    person: null,
  },
  'snapshot-damaged': {
    means: 'apt cannot use this snapshot; the newest state is whole',
    repair: null,
    person: 'delete its folder, and `--repair` forgets the snapshot',
  },
  'generation-unfinished': {
    means: 'none',
    repair: 'removes what a publish that was cut off left behind',
    person: null,
  },
  'generation-unknown': {
    means: 'clients may have seen a newer state than the database knows: was an old backup put back?',
    repair: null,
    person: 'put the newer database back; without one, delete the folder',
  },
  'current-link-wrong': {
    means: 'staging shows another generation than the newest, and live gets that',
    repair: 'points dists at the newest generation',
    person: null,
  },
  'index-state-damaged': {
    means: 'none yet: what the next publish takes over from it could be wrong',
    repair: 'drops it; the next publish makes the indexes from the database and takes longer',
    person: null,
  },
  'live-behind': {
    means: 'clients of this target do not see the newest state',
    repair: 'asks for a sync',
    person: null,
  },
  'live-ahead': {
    means: 'clients have seen a newer state than the database knows: was an old backup put back?',
    repair: null,
    person:
      'put the newer database back; without one, `autobuilder sync now`, and clients take what is dated later',
  },
  'live-indexes-damaged': {
    means: 'apt-get update from this target fails, or shows too little',
    repair: 'asks for a sync that compares by content',
    person: null,
  },
  'live-file-missing': {
    means: 'fetching it from this target fails with 404',
    repair: 'asks for a sync that compares by content',
    person: null,
  },
  'live-file-changed': {
    means: 'apt refuses the file from this target: Hash Sum mismatch',
    repair: 'asks for a sync that compares by content',
    person: null,
  },
  'remote-behind': {
    means: 'clients of this target do not see the newest state',
    repair: 'asks for a sync',
    person: null,
  },
  'remote-differs': {
    means: 'fetching what is missing or cut short from this target fails',
    repair: 'asks for a sync that looks at all files',
    person: null,
  },
  'remote-unknown': {
    means: 'not known: the target could not be listed, or its last sync failed',
    repair: null,
    person: 'see `autobuilder sync status`, and check again when it answers',
  },
  'work-left': { means: 'none', repair: 'removes what a run that was cut off left behind', person: null },
  'quarantine-old': {
    means: 'none: refused long ago, and nobody took it away',
    repair: null,
    person: 'read its REASON and delete the folder',
  },
  'queue-busy': {
    means: 'not known: another process held the queue, so what looked wrong could not be looked at twice',
    repair: null,
    person: 'check again',
  },
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof FINDINGS;

export interface Finding {
  code: FindingCode;
  /** '' for what belongs to no queue. */
  queue: string;
  product: string;
  /** A path, a generation, a target: with the code it is one finding. */
  subject: string;
  /** What is wrong, in a sentence. */
  detail: string;
  /** Where an intact copy is or might be. */
  copies: string[];
  /**
   * null: no repair was asked for, or none can be done. `asked`: rqp does it. `blocked`: it would, and mends nothing
   * while the pool of staging holds a file that was not published.
   */
  outcome: 'repaired' | 'asked' | 'failed' | 'blocked' | null;
}

export function findingKey({ code, subject }: Pick<Finding, 'code' | 'subject'>): string {
  return `${code} ${subject}`;
}
