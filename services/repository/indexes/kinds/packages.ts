/** `Packages` and `Sources`. */
import { shortenDescription } from '../../../../shared/debian/description.ts';
import {
  debugComponents,
  indexedArchitectures,
  indexedComponent,
  type IndexedName,
  type IndexScope,
} from './scope.ts';
import { stanzaKind } from './stanzas.ts';

/** udebs, which the installer alone reads, have indexes of their own. */
const INSTALLER = 'debian-installer/';

function packagesPath(component: string, folder: string, architecture: string): string {
  return `${component}/${folder}binary-${architecture}/Packages`;
}

function allPaths(component: string, folder: string, scope: IndexScope): string[] {
  return scope.architectures.map((architecture) => packagesPath(component, folder, architecture));
}

function packagesPaths(each: IndexedName, scope: IndexScope): string[] {
  const component = indexedComponent(each, scope);
  if (component === null || each.kind === 'source') return [];
  const folder = each.kind === 'udeb' ? INSTALLER : '';
  return indexedArchitectures(each, scope).map((architecture) =>
    packagesPath(component, folder, architecture),
  );
}

export const packagesKind = stanzaKind({
  name: 'packages',
  pathsOf: packagesPaths,
  standing: (scope) => scope.components.flatMap((component) => allPaths(component, '', scope)),
  families: (scope) => [
    ...scope.components.map((component) => allPaths(component, INSTALLER, scope)),
    ...debugComponents(scope).map((component) => allPaths(component, '', scope)),
  ],
  // The installer knows no translations.
  render: (each, scope) =>
    scope.translations && each.kind === 'deb' ? shortenDescription(each.stanza) : each.stanza,
});

function sourcesPath(component: string): string {
  return `${component}/source/Sources`;
}

export const sourcesKind = stanzaKind({
  name: 'sources',
  pathsOf: (each, scope) => {
    const component = each.kind === 'source' ? indexedComponent(each, scope) : null;
    return component === null ? [] : [sourcesPath(component)];
  },
  standing: (scope) => scope.components.map(sourcesPath),
  families: () => [],
  render: (each) => each.stanza,
});
