/** A job's apt sources as files: deb822 for the target, one-line for mmdebstrap and sbuild, keys beside them. */
import { readFile } from 'node:fs/promises';
import type { AptSource, ExtraSource } from '../../../shared/protocol/job.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { jobFailure } from '../build/failure.ts';

/** Anything larger is no keyring; Debian's whole one is 60 KiB. */
const MAX_KEYRING_BYTES = 4 * 1024 * 1024;

export interface ResolvedSource {
  uris: string[];
  suites: string[];
  components: string[];
  key: Uint8Array;
  /** `.asc` for an armored key, `.gpg` otherwise: apt goes by the ending. */
  keyEnding: '.asc' | '.gpg';
  pin?: ExtraSource['pin'];
}

function refuseBlanks(source: AptSource): void {
  const bad = [...source.uris, ...source.suites, ...source.components].find(
    (word) => !/^[^\s\p{Cc}[\]]+$/u.test(word),
  );
  if (bad !== undefined) throw jobFailure('usage', `An apt source holds '${bad}', which is not one word`);
}

async function keyOf(source: AptSource): Promise<Uint8Array> {
  if ((source.key === undefined) === (source.keyring === undefined)) {
    throw jobFailure('usage', `The apt source ${source.uris[0] ?? ''} needs exactly one of key and keyring`);
  }
  if (source.key !== undefined) return Buffer.from(source.key);
  try {
    const keyring = await readFile(source.keyring ?? '');
    if (keyring.length <= MAX_KEYRING_BYTES) return keyring;
    throw new Error('it is too large for a keyring');
  } catch (error) {
    throw jobFailure('machine', `The keyring ${source.keyring} cannot be read: ${messageOf(error)}`);
  }
}

/** Sources with their keys read. Ends the job with `usage` for what cannot be written into a source list. */
export async function resolveSources(sources: (AptSource | ExtraSource)[]): Promise<ResolvedSource[]> {
  return Promise.all(
    sources.map(async (source) => {
      refuseBlanks(source);
      const key = await keyOf(source);
      const isArmored = Buffer.from(key)
        .subarray(0, 64)
        .toString('latin1')
        .trimStart()
        .startsWith('-----BEGIN');
      const { uris, suites, components } = source;
      const pin = 'pin' in source ? source.pin : undefined;
      const keyEnding = isArmored ? '.asc' : '.gpg';
      return { uris, suites, components, key, keyEnding, ...(pin === undefined ? {} : { pin }) } as const;
    }),
  );
}

/** One stanza for each source; `keyPath(index)` is where its key lies for whoever reads it. */
export function deb822Sources(sources: ResolvedSource[], keyPath: (index: number) => string): string {
  return sources
    .map((source, index) => {
      const components = source.components.length > 0 ? [`Components: ${source.components.join(' ')}`] : [];
      return [
        'Types: deb',
        `URIs: ${source.uris.join(' ')}`,
        `Suites: ${source.suites.join(' ')}`,
        ...components,
        `Signed-By: ${keyPath(index)}`,
        '',
      ].join('\n');
    })
    .join('\n');
}

/** One line for each URI and suite, as in sources.list(5); without `keyPath` the key must be trusted by other means. */
export function oneLineSources(sources: ResolvedSource[], keyPath?: (index: number) => string): string[] {
  return sources.flatMap((source, index) => {
    const options = keyPath === undefined ? '' : `[signed-by=${keyPath(index)}] `;
    return source.uris.flatMap((uri) =>
      source.suites.map((suite) => `deb ${options}${uri} ${suite} ${source.components.join(' ')}`.trimEnd()),
    );
  });
}

function hostsOf(sources: readonly ResolvedSource[]): Set<string> {
  return new Set(sources.flatMap((source) => source.uris.map((uri) => new URL(uri).hostname)));
}

function pinLines(packages: string[], pin: string, priority: number): string {
  return `Package: ${packages.join(' ')}\nPin: ${pin}\nPin-Priority: ${priority}\n`;
}

/** The records of one source with a pin. A pin by host must not catch the base. */
function pinned(source: ResolvedSource, baseHosts: Set<string>): string[] {
  const { pin } = source;
  if (pin === undefined) return [];
  if (pin.release !== undefined) return [pinLines(pin.packages, `release ${pin.release}`, pin.priority)];
  return [...hostsOf([source])].map((host) => {
    if (host !== '' && !baseHosts.has(host)) return pinLines(pin.packages, `origin "${host}"`, pin.priority);
    throw jobFailure(
      'usage',
      `The pin of ${source.uris[0] ?? ''} needs a release: by its host it would hold for the base as well`,
    );
  });
}

/**
 * Preferences: pins that were asked for first, since apt goes by the first record that fits; then the others
 * are made equal to the base: `devel` is published with `NotAutomatic`, which would hide its newer versions
 * from a build. Hosts that also serve the base are left alone, since that goes by host. Ends the job with
 * `usage` for a pin that cannot be told from the base.
 */
export function preferencesFor(extra: ResolvedSource[], base: ResolvedSource[]): string {
  const baseHosts = hostsOf(base);
  const equal = [...hostsOf(extra.filter((source) => source.pin === undefined))]
    .filter((host) => host !== '' && !baseHosts.has(host))
    .map((host) => pinLines(['*'], `origin "${host}"`, 500));
  return [...extra.flatMap((source) => pinned(source, baseHosts)), ...equal].join('\n');
}
