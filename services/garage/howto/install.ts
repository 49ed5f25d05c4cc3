/** Settings for apt, filled in. Pure, since the web shows and the CLI prints them. */
import { keyringPackageName, keyringPath } from '../../../shared/protocol/names.ts';
import { slugOf, type Snippet } from './snippet.ts';

export interface InstallHowto {
  /** The installation's name. */
  site: string;
  /** Where live is served, with or without a slash at the end; clients try them in this order. */
  locations: readonly [string, ...string[]];
  queue: string;
  product: string;
  components: readonly string[];
  /** The queue says `NotAutomatic: yes`. */
  notAutomatic?: boolean;
}

/**
 * Key, deb822 source, one-line source, the list of places with the source that falls back on them (when there
 * are several), and the install command, in this order; never apt-key.
 */
export function installHowto(options: InstallHowto): Snippet[] {
  const slug = slugOf(options.site);
  const base = options.locations[0].replace(/\/+$/, '');
  // The file that the keyring package brings: what is fetched by hand here is its by the first upgrade.
  const key = keyringPath(options.site);
  const name = `${slug}-${options.queue}-${options.product}`;
  return [
    keySnippet(base, key),
    deb822Snippet(options, base, key, name),
    oneLineSnippet(options, base, key, name),
    ...(options.locations.length > 1 ? fallbackSnippets(options, key, name) : []),
    installSnippet(options),
  ];
}

function keySnippet(base: string, key: string): Snippet {
  return {
    id: 'key',
    title: '1. The key',
    note: 'Every key that signs now, or will next. Trusted for this repository only, by Signed-By below.',
    text: `sudo wget -O ${key} ${base}/archive-key.gpg`,
  };
}

function deb822Snippet(options: InstallHowto, base: string, key: string, name: string): Snippet {
  return {
    id: 'deb822',
    title: '2. The source',
    note: 'In the deb822 form, which apt prefers today.',
    file: `/etc/apt/sources.list.d/${name}.sources`,
    text: deb822Text(options, `${base}/${options.queue}`, key),
  };
}

function oneLineSnippet(options: InstallHowto, base: string, key: string, name: string): Snippet {
  const { queue, product, components } = options;
  return {
    id: 'one-line',
    title: 'The same in one line',
    note: 'Instead of the file above, not beside it.',
    file: `/etc/apt/sources.list.d/${name}.list`,
    text: `deb [signed-by=${key}] ${base}/${queue} ${product} ${components.join(' ')}`,
  };
}

/** apt-transport-mirror(1): a lower number is tried first, the next one for each file that it does not give. */
function fallbackSnippets(options: InstallHowto, key: string, name: string): Snippet[] {
  const list = `/etc/apt/mirrors/${name}.list`;
  const lines = options.locations.map(
    (location, index) => `${location.replace(/\/+$/, '')}/${options.queue}\tpriority:${String(index + 1)}`,
  );
  return [
    {
      id: 'mirror-list',
      title: 'With fallbacks: the list of places',
      note: 'apt tries them in this order, and the next one when one is away. A tab stands before priority.',
      file: list,
      text: lines.join('\n'),
    },
    {
      id: 'deb822-mirrors',
      title: 'With fallbacks: the source',
      note: 'Instead of the sources above, not beside them.',
      file: `/etc/apt/sources.list.d/${name}.sources`,
      text: deb822Text(options, `mirror+file:${list}`, key),
    },
  ];
}

function deb822Text(options: InstallHowto, uri: string, key: string): string {
  return [
    'Types: deb deb-src',
    `URIs: ${uri}`,
    `Suites: ${options.product}`,
    `Components: ${options.components.join(' ')}`,
    `Signed-By: ${key}`,
  ].join('\n');
}

function installSnippet({ site, queue, notAutomatic }: InstallHowto): Snippet {
  const keyring = keyringPackageName(site);
  const origin = notAutomatic
    ? `apt upgrades what came from ${queue}, but prefers the other archives for a package that they have too; name the version then.`
    : `Packages of ${queue} are taken as any other archive's.`;
  return {
    id: 'install',
    title: '3. Install',
    note: `${keyring} brings new keys by ordinary upgrades; without it apt refuses the repository once its key has changed, until step 1 is done again. ${origin}`,
    text: `sudo apt update\nsudo apt install ${keyring}\nsudo apt install ${notAutomatic ? 'PACKAGE=VERSION' : 'PACKAGE'}`,
  };
}
