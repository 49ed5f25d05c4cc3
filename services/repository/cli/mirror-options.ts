/** What people type about a mirror, as its definition. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { KEYRING_MAX_BYTES, readKeyring, type KeyringKey } from '../../../shared/openpgp/keyring.ts';
import { mirrorSettings, type MirrorSettings } from '../mirror/definition.ts';

export interface MirrorOptions {
  component?: string[];
  architecture?: string[];
  package?: string[];
  section?: string[];
  priority?: string[];
  also?: string[];
  withDependencies?: boolean;
  source?: boolean;
  udeb?: boolean;
  language?: string[];
  index?: string[];
  keyring?: string;
  key?: string[];
  schedule?: string;
  bandwidth?: string;
  auth?: string;
  ca?: string;
  unchecked?: boolean;
}

/** An option that may be repeated. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Adds the options that `add` and `set` share. */
export function addMirrorOptions(command: Command): Command {
  return command
    .option('--component <name>', 'only this one; may be repeated (all: no limit)', collect)
    .option('--architecture <name>', 'only this one; may be repeated (all: no limit)', collect)
    .option('--package <glob>', 'only packages of such names; may be repeated (all: no limit)', collect)
    .option('--section <name>', 'only packages of this section; may be repeated (all: no limit)', collect)
    .option('--priority <name>', 'only packages of this priority; may be repeated (all: no limit)', collect)
    .option('--also <glob>', 'beside all that, packages of such names; may be repeated (none)', collect)
    .option('--with-dependencies', 'and what those packages depend on')
    .option('--no-with-dependencies', 'those packages only')
    .option('--source', 'source packages too')
    .option('--no-source', 'no source packages')
    .option('--udeb', 'packages of the installer too')
    .option('--no-udeb', 'no packages of the installer')
    .option(
      '--language <code>',
      'descriptions in this language; may be repeated (default: en; none)',
      collect,
    )
    .option('--index <glob>', "further indexes of a whole mirror, such as '*/Contents-*' (none)", collect)
    .option('--keyring <file>', 'the keys that may sign the archive, as in Signed-By; they are kept')
    .option('--key <fingerprint>', 'of the keyring only this one; may be repeated', collect)
    .option('--schedule <cron>', 'when the service updates it (default: repository.mirrors.schedule)')
    .option(
      '--bandwidth <bytes>',
      'bytes a second, with K, M or G (default: repository.mirrors.bytesPerSecond; none)',
    )
    .option('--auth <file>', 'logins as in apt_auth.conf(5), read at each update (none)')
    .option('--ca <file>', 'certificates to trust for https beside the system’s (none)')
    .option('--unchecked', 'do not ask the archive now whether it has these suites, signed by these keys');
}

/** The settings after what was typed. Throws `mirror-option-invalid`. */
export function readSettings(options: MirrorOptions, before: MirrorSettings): MirrorSettings {
  const wanted = {
    ...before,
    components: list(options.component, before.components, 'all'),
    architectures: list(options.architecture, before.architectures, 'all'),
    sources: options.source ?? before.sources,
    udebs: options.udeb ?? before.udebs,
    translations: list(options.language, before.translations, 'none'),
    indexes: list(options.index, before.indexes, 'none'),
    filter: {
      packages: list(options.package, before.filter.packages, 'all'),
      sections: list(options.section, before.filter.sections, 'all'),
      priorities: list(options.priority, before.filter.priorities, 'all'),
      also: list(options.also, before.filter.also, 'none'),
      withDependencies: options.withDependencies ?? before.filter.withDependencies,
    },
    ...replaced('schedule', options.schedule, (text) => text),
    ...replaced('bytesPerSecond', options.bandwidth, readBytes),
    ...replaced('authFile', options.auth, (file) => path.resolve(file)),
    ...replaced('caFile', options.ca, (file) => path.resolve(file)),
  };
  const parsed = mirrorSettings.safeParse(wanted);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path: at, message }) => `${optionOf(at)}: ${message}`);
  throw new AppError('mirror-option-invalid', problems.join('; '));
}

const OPTIONS: Record<string, string> = {
  ...{ components: 'component', architectures: 'architecture', translations: 'language', indexes: 'index' },
  ...{ packages: 'package', sections: 'section', priorities: 'priority', also: 'also', schedule: 'schedule' },
  ...{ bytesPerSecond: 'bandwidth', authFile: 'auth', caFile: 'ca' },
};

/** What was typed that stands at this place of the settings. */
function optionOf(at: PropertyKey[]): string {
  const setting = at.map(String).find((name) => name in OPTIONS);
  return setting === undefined ? at.map(String).join('.') : `--${OPTIONS[setting] ?? ''}`;
}

function list(typed: string[] | undefined, own: string[], nothing: string): string[] {
  return typed === undefined ? own : typed.filter((each) => each !== nothing);
}

/** `none` or `default` takes a setting back. */
function replaced<T>(
  name: string,
  typed: string | undefined,
  read: (text: string) => T,
): Record<string, T | undefined> {
  if (typed === undefined) return {};
  return { [name]: typed === 'none' || typed === 'default' ? undefined : read(typed) };
}

const UNITS: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `500K` is 512,000. Throws `bytes-invalid`. */
function readBytes(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})([KMGkmg]?)$/.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  if (digits !== '' && bytes > 0) return bytes;
  throw new AppError('bytes-invalid', `'${text}' is no number of bytes`, { hint: 'For example 500K or 2M.' });
}

/** The keys of a keyring, or those of them that were named. Throws `keyring-invalid` and `key-unknown`. */
export async function readKeys(file: string, fingerprints: readonly string[]): Promise<KeyringKey[]> {
  const content = await readFile(file).catch((cause: unknown) => {
    throw new AppError('keyring-invalid', `The keyring '${file}' cannot be read: ${messageOf(cause)}`, {
      hint: 'Keyrings of distributions lie in /usr/share/keyrings, and come with packages such as debian-archive-keyring.',
      cause,
    });
  });
  const keys = await readKeyring(content.subarray(0, KEYRING_MAX_BYTES + 1), `The keyring '${file}'`);
  if (fingerprints.length === 0) return keys;
  return fingerprints.map((typed) => {
    const fingerprint = typed.replaceAll(/\s/g, '').toUpperCase();
    const key = keys.find((each) => each.fingerprint === fingerprint);
    if (key) return key;
    throw new AppError('key-unknown', `The keyring '${file}' has no key ${fingerprint}`, {
      hint: `It has: ${keys.map((each) => `${each.fingerprint} (${each.userId})`).join(', ')}`,
    });
  });
}
