/** `Translation-en`: the descriptions that `Packages` has only the first line of, joined by `Description-md5`. */
import { translationStanza } from '../../../../shared/debian/description.ts';
import { debugComponents, indexedArchitectures, indexedComponent } from './scope.ts';
import { stanzaKind } from './stanzas.ts';

function translationPath(component: string): string {
  return `${component}/i18n/Translation-en`;
}

export const translationKind = stanzaKind({
  name: 'translation',
  pathsOf: (each, scope) => {
    const component = scope.translations && each.kind === 'deb' ? indexedComponent(each, scope) : null;
    // A package that stands in no Packages is not described either.
    return component === null || indexedArchitectures(each, scope).length === 0
      ? []
      : [translationPath(component)];
  },
  standing: (scope) => (scope.translations ? scope.components.map(translationPath) : []),
  families: (scope) =>
    scope.translations ? debugComponents(scope).map((each) => [translationPath(each)]) : [],
  render: (each) => translationStanza(each.name, each.stanza),
});
