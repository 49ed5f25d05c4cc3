/** A piece of configuration or a command to copy. */
export interface Snippet {
  /** Stable, for links: `dput`, `apt-deb822`, ... */
  id: string;
  title: string;
  /** One or two sentences before it. */
  note: string;
  /** Where to put it; absent for commands. */
  file?: string;
  /** Ends without a line end. */
  text: string;
  /** What to run once it is in place. */
  command?: string;
}

export { archiveSlug as slugOf } from '../../../shared/protocol/names.ts';
