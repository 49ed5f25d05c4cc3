/** A job's apt sources as files: deb822 for the target, one-line for mmdebstrap and sbuild, keys beside them. */
import { readFile } from 'node:fs/promises';
import type { AptSource } from '../../../shared/protocol/job.ts';
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
export async function resolveSources(sources: AptSource[]): Promise<ResolvedSource[]> {
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
      return { uris, suites, components, key, keyEnding: isArmored ? '.asc' : '.gpg' } as const;
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

/**
 * Preferences that make the product's own queue equal to the base: `devel` is published with
 * `NotAutomatic`, which would hide its newer versions from a build. Hosts that also serve the base are left
 * alone, since the pin goes by host.
 */
export function preferencesFor(extra: ResolvedSource[], base: ResolvedSource[]): string {
  const hostsOf = (sources: ResolvedSource[]): Set<string> =>
    new Set(sources.flatMap((source) => source.uris.map((uri) => new URL(uri).hostname)));
  const baseHosts = hostsOf(base);
  return [...hostsOf(extra)]
    .filter((host) => host !== '' && !baseHosts.has(host))
    .map((host) => `Package: *\nPin: origin "${host}"\nPin-Priority: 500\n`)
    .join('\n');
}
