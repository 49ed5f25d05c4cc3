/** What this Debian machine is, so that defaults need no typing: release, architecture, apt sources. */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../errors/app-error.ts';
import { runChecked } from '../process/run.ts';
import type { AptSource } from '../protocol/job.ts';

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** `VERSION_CODENAME` of os-release(5). Throws `machine-not-debian` where there is none. */
export async function machineCodename(osRelease = '/etc/os-release'): Promise<string> {
  const text = await readFile(osRelease, 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
  if (codename) return codename;
  throw new AppError(
    'machine-not-debian',
    'This machine does not name its Debian release in /etc/os-release',
    {
      hint: 'Name the product in the configuration: products: { bookworm: { ... } }',
    },
  );
}

/** dpkg's architecture of this machine. */
export async function machineArchitecture(): Promise<string> {
  const { stdout } = await runChecked(['dpkg', '--print-architecture']);
  return stdout.toString('utf8').trim();
}

/**
 * The machine's own apt sources for its release (`<codename>`, `-updates`, `-security`): third-party
 * ones are left out, since a clean target holds the distribution only. Reads sources.list(5) in both
 * forms. Throws `apt-sources-missing` when none names the release.
 */
export async function machineSources(codename?: string, directory = '/etc/apt'): Promise<AptSource[]> {
  const release = codename ?? (await machineCodename());
  const files = [path.join(directory, 'sources.list')];
  const parts = path.join(directory, 'sources.list.d');
  if (existsSync(parts)) files.push(...(await readdir(parts)).sort().map((name) => path.join(parts, name)));
  const found: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (file.endsWith('.sources')) found.push(...deb822Sources(text));
    else if (file.endsWith('.list')) found.push(...oneLineSources(text));
  }
  const ours = found.flatMap((source) => {
    const suites = source.suites.filter((suite) => suite === release || suite.startsWith(`${release}-`));
    const components = source.components.filter((component) => component === 'main');
    const keyring = source.keyring ?? DEBIAN_KEYRING;
    return suites.length > 0 && components.length > 0 && keyring.includes('debian')
      ? [{ uris: source.uris, suites, components, keyring }]
      : [];
  });
  if (ours.length > 0) return ours;
  throw new AppError('apt-sources-missing', `The machine's apt sources name no archive for '${release}'`, {
    hint: `Give the product its sources in the configuration: products: { ${release}: { sources: [...] } }`,
  });
}

function deb822Sources(text: string): AptSource[] {
  return text
    .split(/\n\s*\n/)
    .map((stanza) => fieldsOf(stanza))
    .filter((fields) => fields['types']?.split(/\s+/).includes('deb') && fields['enabled'] !== 'no')
    .map((fields) => ({
      uris: words(fields['uris']),
      suites: words(fields['suites']),
      components: words(fields['components']),
      ...(fields['signed-by']?.startsWith('/') ? { keyring: fields['signed-by'] } : {}),
    }))
    .filter((source) => source.uris.length > 0 && source.suites.length > 0);
}

function fieldsOf(stanza: string): Record<string, string> {
  const lines = stanza.split('\n').filter((line) => !line.startsWith('#'));
  const pairs = [...lines.join('\n').matchAll(/^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm)];
  return Object.fromEntries(
    pairs.map(([, name, value]) => [(name ?? '').toLowerCase(), (value ?? '').trim()]),
  );
}

function oneLineSources(text: string): AptSource[] {
  const found: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line.trim());
    if (!match) continue;
    const keyring = /signed-by=(\/\S+)/.exec(match[1] ?? '')?.[1];
    found.push({
      uris: [match[2] ?? ''],
      suites: [match[3] ?? ''],
      components: words(match[4]),
      ...(keyring ? { keyring } : {}),
    });
  }
  return found;
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter(Boolean);
}
