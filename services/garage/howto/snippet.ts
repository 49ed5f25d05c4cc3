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

/** The installation's name as part of file and stanza names: `My Builds` becomes `my-builds`. */
export function slugOf(site: string): string {
  return (
    site
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') || 'autobuilder'
  );
}
