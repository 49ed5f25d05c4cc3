/** Which stanza goes into which index. */

/** A row of `packages`, as far as the indexes need it. */
export interface IndexedPackage {
  component: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  version: string;
  architecture: string;
  /** Ready to print, without the empty line after it. */
  stanza: string;
}

export interface Index {
  /** Relative to the generation's folder, without the ending of a compressed form. */
  path: string;
  text: string;
}

/**
 * Every index of a product in a queue, the empty ones too (clients ask for each that Release names).
 * `Architecture: all` stands in every architecture's index. debian-installer indexes only where there
 * are udebs.
 */
export function selectIndexes(
  packages: readonly IndexedPackage[],
  scope: { components: readonly string[]; architectures: readonly string[] },
): Index[] {
  const sorted = packages.toSorted(byNameThenVersion);
  return scope.components.flatMap((component) => {
    const own = sorted.filter((each) => each.component === component);
    const binaries = (kind: 'deb' | 'udeb', architecture: string): IndexedPackage[] =>
      own.filter(
        (each) => each.kind === kind && (each.architecture === architecture || each.architecture === 'all'),
      );
    const hasUdebs = own.some((each) => each.kind === 'udeb');
    return [
      index(
        `${component}/source/Sources`,
        own.filter((each) => each.kind === 'source'),
      ),
      ...scope.architectures.flatMap((architecture) => [
        index(`${component}/binary-${architecture}/Packages`, binaries('deb', architecture)),
        ...(hasUdebs
          ? [
              index(
                `${component}/debian-installer/binary-${architecture}/Packages`,
                binaries('udeb', architecture),
              ),
            ]
          : []),
      ]),
    ];
  });
}

function index(path: string, packages: readonly IndexedPackage[]): Index {
  return { path, text: packages.map((each) => `${each.stanza.trimEnd()}\n\n`).join('') };
}

/** By code units, so that the order is the same on every machine. */
function byNameThenVersion(a: IndexedPackage, b: IndexedPackage): number {
  return compare(a.name, b.name) || compare(a.version, b.version) || compare(a.architecture, b.architecture);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
