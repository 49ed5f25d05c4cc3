/** Which indexes an archive has, and what decides where a package is indexed. */

/** What decides where a package is indexed. */
export interface IndexedName {
  component: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  architecture: string;
}

/** A row of `packages` that comes, goes or is shown in another way. */
export interface IndexedChange extends IndexedName {
  id: string;
}

/** A row of `packages`, as far as the indexes need it. */
export interface IndexedPackage extends IndexedChange {
  version: string;
  /** Ready to print, without the empty line after it. */
  stanza: string;
}

export interface IndexScope {
  components: readonly string[];
  architectures: readonly string[];
  /** Packages of debug symbols have a component of their own beside each, `main/debug`. */
  debugComponents: boolean;
  /** Long descriptions stand in Translation-en, not in Packages. */
  translations: boolean;
  /** Contents of binary packages, for `apt-file`. */
  contents: boolean;
  /** Contents of source packages too. */
  contentsSource: boolean;
}

/** debhelper's name for what holds a package's debug symbols; no other package ends so. */
const DEBUG_ENDING = '-dbgsym';
const DEBUG_COMPONENT = 'debug';

function isDebug(each: IndexedName): boolean {
  return each.kind === 'deb' && each.name.endsWith(DEBUG_ENDING);
}

/** The components of debug symbols beside the others, as Launchpad has them: `main/debug`. */
export function debugComponents(scope: Pick<IndexScope, 'components' | 'debugComponents'>): string[] {
  if (!scope.debugComponents) return [];
  return scope.components.map((component) => `${component}/${DEBUG_COMPONENT}`);
}

/** The component whose indexes the package stands in; null when it is out of scope. */
export function indexedComponent(each: IndexedName, scope: IndexScope): string | null {
  if (!scope.components.includes(each.component)) return null;
  return scope.debugComponents && isDebug(each) ? `${each.component}/${DEBUG_COMPONENT}` : each.component;
}

/** The architectures whose indexes it stands in: `all` stands in every one's. */
export function indexedArchitectures(each: IndexedName, scope: IndexScope): string[] {
  return scope.architectures.filter(
    (architecture) => each.architecture === architecture || each.architecture === 'all',
  );
}
