/** What a reader of repositories finds before any package is opened. */

/** Size and sums that an index gives for a file; what it does not give is not checked. */
export interface ExpectedFile {
  /** Bytes. */
  size: number;
  md5?: string;
  sha1?: string;
  sha256?: string;
}

/** A .deb, .udeb or .dsc and what its index says of it. */
export interface Candidate {
  /** Relative to the root; its name within the import. */
  path: string;
  kind: 'deb' | 'udeb' | 'source';
  /** Null: by the prefix of its own Section, or the product's first. */
  component: string | null;
  /** The archive's word where an index gives one; it goes before the package's own. */
  section: string | null;
  priority: string | null;
  /** Null for a loose file. */
  expected: ExpectedFile | null;
  /** Where its files lie, by their names, if not beside it under these. */
  files?: Record<string, string>;
}

/** A whole repository, or the part of it that was asked for. */
export interface ImportSource {
  kind: 'reprepro' | 'aptly' | 'directory';
  /** Absolute; every candidate's path starts here. */
  root: string;
  /** Which part of it, '' for all: with the root it says which import this is. */
  part: string;
  /** What configuration keeps what it was to its clients. */
  facts: RepositoryFacts;
  /** How many candidates there are, for the progress; null when that takes as long as reading them. */
  count(): Promise<number | null>;
  /** Each candidate, in an order that is the same at each run. What cannot be one goes to `refuse`. */
  candidates(refuse: Refuse): AsyncIterable<Candidate>;
}

export type Refuse = (refused: Refused) => void;

/** What could not be taken: a stable code, a sentence, and where it lies below the root. */
export interface Refused {
  path: string;
  code: string;
  reason: string;
}

/** As far as the repository says. */
export interface RepositoryFacts {
  origin?: string;
  label?: string;
  suite?: string;
  codename?: string;
  components: string[];
  architectures: string[];
  notAutomatic?: boolean;
}
