/** The order of fields in `Packages` and `Sources` as apt's own tools write them. */
import { Paragraph } from './paragraph.ts';

export const PACKAGES_ORDER = (
  'Package Package-Type Architecture Subarchitecture Version Kernel-Version Built-Using Static-Built-Using ' +
  'Built-For-Profiles Auto-Built-Package Multi-Arch Priority Build-Essential Protected Important Essential ' +
  'Installer-Menu-Item Section Source Origin Phased-Update-Percentage Maintainer Original-Maintainer Bugs ' +
  'Config-Version Conffiles Triggers-Awaited Triggers-Pending Installed-Size Provides Pre-Depends Depends Recommends ' +
  'Suggests Conflicts Breaks Replaces Enhances Filename MSDOS-Filename Size MD5sum SHA1 SHA256 Homepage Description ' +
  'Description-md5 Tag Task'
).split(' ');

export const SOURCES_ORDER = (
  'Package Format Binary Architecture Version Priority Section Origin Maintainer Original-Maintainer Uploaders ' +
  'DM-Upload-Allowed Standards-Version Build-Depends Build-Depends-Arch Build-Depends-Indep Build-Conflicts ' +
  'Build-Conflicts-Arch Build-Conflicts-Indep Testsuite Testsuite-Triggers Homepage Description Vcs-Browser Vcs-Browse ' +
  'Vcs-Arch Vcs-Bzr Vcs-Cvs Vcs-Darcs Vcs-Git Vcs-Hg Vcs-Mtn Vcs-Svn Directory Package-List Files Checksums-Sha1 ' +
  'Checksums-Sha256'
).split(' ');

/** The same fields: those of `order` first and so spelled, then the others as they came. Empty ones are dropped. */
export function inOrder(paragraph: Paragraph, order: readonly string[]): Paragraph {
  const ordered = new Paragraph();
  for (const name of order) {
    const value = paragraph.get(name);
    if (value !== undefined && value !== '') ordered.set(name, value);
  }
  for (const [name, value] of paragraph) {
    if (value !== '' && !ordered.has(name)) ordered.set(name, value);
  }
  return ordered;
}
