/** Status words in a sentence, for those who do not know them by heart. */

const BUILDS: Record<string, string> = {
  'needs-build': 'waits for a free slot',
  building: 'is being built',
  built: 'built; is being checked and handed over',
  uploaded: 'handed to the repository; not yet published',
  installed: 'published: apt can install it',
  'dep-wait': 'waits for a build-dependency',
  attempted: 'the package failed to build',
  'given-back': 'a machine failed; is tried again',
  'not-for-us': 'not built on this architecture',
  cancelled: 'cancelled',
  superseded: 'a newer version took its place',
};

export const wordOfBuild = (status: string): string => BUILDS[status] ?? status;
