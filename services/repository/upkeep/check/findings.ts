/** Everything that a check can find: what it means for clients, and what a repair does about it. */

interface Kind {
  /** For people who run apt. */
  means: string;
  /** What `--repair` does; null: only a person can. It never deletes a published byte and makes none up. */
  repair: string | null;
}

/** Codes are stable: scripts and documentation name them. */
export const FINDINGS = {
  'member-file-missing': {
    means: 'apt shows the package, and fetching it fails with 404',
    repair: null,
  },
  'kept-file-missing': {
    means:
      'a snapshot, or the source of something that is published, cannot be fetched; the newest state can',
    repair: null,
  },
  'pool-link-missing': {
    means: 'fetching the file from this queue fails with 404',
    repair: 'links it again from an intact copy',
  },
  'pool-file-changed': {
    means: 'apt refuses the file: Hash Sum mismatch',
    repair: null,
  },
  'pool-copy-changed': {
    means: 'apt refuses the file: Hash Sum mismatch',
    repair: 'puts an intact copy in its place and keeps the changed file in quarantine',
  },
  'pool-file-odd': { means: 'fetching it fails: it is no regular file', repair: null },
  'pool-file-mode': {
    means: 'a web server may not read the file (403), or somebody else may change it',
    repair: 'makes the mode 0644',
  },
  'pool-file-stray': {
    means: 'none: no index names it, but who knows its name can fetch it',
    repair: null,
  },
  'pool-temporary-left': { means: 'none', repair: 'removes what a run that was cut off left behind' },
  'file-unrecorded': {
    means: 'none now; its content is not known, so a change of it cannot be found',
    repair: null,
  },
  'generation-damaged': {
    means: 'apt-get update fails, or shows too little',
    repair: 'publishes the same content as a new generation, made from the database alone',
  },
  'generation-missing': {
    means: 'its snapshot is gone; if it is the newest, nothing can be synced',
    repair: 'forgets the snapshot; the newest is published anew',
  },
  'snapshot-damaged': { means: 'apt cannot use this snapshot; the newest state is whole', repair: null },
  'generation-unfinished': { means: 'none', repair: 'removes what a publish that was cut off left behind' },
  'generation-unknown': {
    means: 'clients may have seen a newer state than the database knows: was an old backup put back?',
    repair: null,
  },
  'current-link-wrong': {
    means: 'staging shows another generation than the newest, and live gets that',
    repair: 'points dists at the newest generation',
  },
  'index-state-damaged': {
    means: 'none yet: what the next publish takes over from it could be wrong',
    repair: 'drops it; the next publish makes the indexes from the database and takes longer',
  },
  'live-behind': { means: 'clients of this target do not see the newest state', repair: 'asks for a sync' },
  'live-ahead': {
    means: 'clients have seen a newer state than the database knows: was an old backup put back?',
    repair: null,
  },
  'live-indexes-damaged': {
    means: 'apt-get update from this target fails, or shows too little',
    repair: 'asks for a sync that compares by content',
  },
  'live-file-missing': {
    means: 'fetching it from this target fails with 404',
    repair: 'asks for a sync that compares by content',
  },
  'live-file-changed': {
    means: 'apt refuses the file from this target: Hash Sum mismatch',
    repair: 'asks for a sync that compares by content',
  },
  'work-left': { means: 'none', repair: 'removes what a run that was cut off left behind' },
  'quarantine-old': { means: 'none: refused long ago, and nobody took it away', repair: null },
  'queue-busy': {
    means: 'not known: another process held the queue, so what looked wrong could not be looked at twice',
    repair: null,
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
  /** null: no repair was asked for, or none can be done. `asked`: rqp does it. */
  outcome: 'repaired' | 'asked' | 'failed' | null;
}

export function findingKey({ code, subject }: Pick<Finding, 'code' | 'subject'>): string {
  return `${code} ${subject}`;
}
