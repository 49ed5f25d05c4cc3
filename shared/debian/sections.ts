/** The archive's sections: Policy 2.4. An unknown one is worth a warning, never a rejection. */
const SECTIONS = new Set(
  (
    'admin cli-mono comm database debug devel doc editors education electronics embedded fonts games gnome ' +
    'gnu-r gnustep graphics hamradio haskell httpd interpreters introspection java javascript kde kernel libdevel ' +
    'libs lisp localization mail math metapackages misc net news ocaml oldlibs otherosfs perl php python raku ruby ' +
    'rust science shells sound tasks tex text utils vcs video web x11 xfce zope debian-installer'
  ).split(' '),
);
/** Areas that may stand before a section, `contrib/net`. */
const AREAS = new Set(['main', 'contrib', 'non-free', 'non-free-firmware']);

/** True for a section of Policy 2.4, alone or after an archive area. */
export function isKnownSection(section: string): boolean {
  const parts = section.split('/');
  const [area = '', name = ''] = parts.length === 1 ? ['main', ...parts] : parts;
  return parts.length <= 2 && AREAS.has(area) && SECTIONS.has(name);
}

/** Every known section, sorted. */
export function knownSections(): string[] {
  return [...SECTIONS].toSorted();
}
