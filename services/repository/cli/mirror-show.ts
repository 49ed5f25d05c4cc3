/** What is shown of mirrors. */
import { loadConfig } from '../../../shared/config/load.ts';
import { cellText, printFacts, printJson, printTable } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import type { Repository } from '../context.ts';
import { liveSection } from '../live/config.ts';
import { isFiltered } from '../mirror/definition.ts';
import { mirrorPlaces } from '../mirror/places.ts';
import { isMirrorBusy } from '../mirror/run.ts';
import { listMirrors, requireMirror, type MirrorRow } from '../mirror/rows.ts';

/** Names of the products that are built from a mirror. */
export function productsFrom({ products }: Repository['common'], mirror: string): string[] {
  const isIt = (source: { mirror?: string | undefined }): boolean => source.mirror === mirror;
  return products
    .filter(({ sources, extraSources }) => [...sources, ...extraSources].some(isIt))
    .map(({ name }) => name);
}

/** Relations without a package that are shown; `--json` has all. */
const SHOWN_UNMET = 10;

/** All mirrors; exit code 1 when the last update of one failed. */
export async function showMirrors(cli: Cli, repository: Repository, json: boolean): Promise<void> {
  const mirrors: Shown[] = [];
  for (const row of await listMirrors(repository.pool)) mirrors.push(await shown(repository, row));
  if (mirrors.some(({ status }) => status === 'failed')) process.exitCode = 1;
  if (json) return printJson(cli.output, mirrors.map(mirrorItem));
  const rows = mirrors.map((row) => [
    ...[
      row.name,
      row.url,
      row.suites,
      isFiltered(row) ? 'filtered' : 'whole',
      row.status,
      row.files,
      row.bytes,
    ],
    ...[row.succeededAt, row.nextAt, row.error],
  ]);
  const headings = [
    'NAME',
    'ARCHIVE',
    'SUITES',
    'KIND',
    'STATUS',
    'FILES',
    'BYTES',
    'UPDATED',
    'NEXT',
    'ERROR',
  ];
  printTable(cli.output, headings, rows, 'There are no mirrors; see autobuilder mirror add --help');
}

/** One, and how to use it. */
export async function showMirror(
  cli: Cli,
  repository: Repository,
  name: string,
  options: { url?: string; json?: boolean },
): Promise<void> {
  const row = await shown(repository, await requireMirror(repository.pool, name));
  const isUpdating = row.status === 'updating';
  const { root } = mirrorPlaces(repository, name);
  const url = `${(options.url ?? (await liveAddress())).replace(/\/+$/, '')}/mirror/${name}`;
  const products = productsFrom(repository.common, name);
  const client = { path: root, address: url, products, sources: sourcesStanza(row, url, root) };
  if (options.json) return printJson(cli.output, { ...mirrorItem(row), isUpdating, ...client });
  const { settings } = row;
  printFacts(cli.output, {
    ...{ name, archive: row.url, suites: row.suites, kind: isFiltered(row) ? 'filtered' : 'whole' },
    ...{ components: settings.components, architectures: settings.architectures },
    ...{ packages: settings.filter.packages, sections: settings.filter.sections },
    ...{ priorities: settings.filter.priorities, also: settings.filter.also },
    ...{ 'with dependencies': settings.filter.withDependencies },
    ...{ sources: settings.sources, udebs: settings.udebs, languages: settings.translations },
    ...{ indexes: settings.indexes, schedule: settings.schedule, 'bytes a second': settings.bytesPerSecond },
    keys: row.keys.map(({ fingerprint, userId }) => `${fingerprint} ${userId}`).join(', '),
    ...{ status: row.status, error: row.error, files: row.files, bytes: row.bytes },
    ...{ updated: row.succeededAt, changed: row.changedAt, next: row.nextAt, folder: root, products },
    releases: Object.entries(row.releases).map(([suite, { date }]) => `${suite}@${date}`),
  });
  for (const each of row.unmet.slice(0, SHOWN_UNMET)) cli.output.out(`unmet  ${cellText(each)}\n`);
  cli.output.out(`\n${client.sources}\n\nas a product's source: sources: [{ mirror: ${name} }]\n`);
}

interface Shown extends Omit<MirrorRow, 'status'> {
  /** `interrupted`: an update was cut off; the next one goes on with it. */
  status: MirrorRow['status'] | 'interrupted';
}

/** The row tells what was begun, its lock whether somebody is at it. An error is of an update that ended. */
async function shown(repository: Repository, row: MirrorRow): Promise<Shown> {
  const isCutOff = row.status === 'updating' && !(await isMirrorBusy(repository, row.name));
  const status = isCutOff ? 'interrupted' : row.status;
  return { ...row, status, error: status === 'failed' ? row.error : null };
}

function mirrorItem({ keys, ...row }: Shown): object {
  return { ...row, keys: keys.map(({ fingerprint, userId }) => ({ fingerprint, userId })) };
}

/** As sources(5) wants it; the same URIs, suites and keyring make a product's base. */
function sourcesStanza(row: Shown, url: string, root: string): string {
  const { components, sources } = row.settings;
  const held = new Set(Object.values(row.releases).flatMap((release) => release.components ?? []));
  return [
    `Types: deb${sources ? ' deb-src' : ''}`,
    `URIs: ${url}`,
    `Suites: ${row.suites.join(' ')}`,
    `Components: ${(held.size > 0 ? [...held] : components).join(' ') || 'main'}`,
    `Signed-By: ${root}/mirror-key.gpg`,
  ].join('\n');
}

async function liveAddress(): Promise<string> {
  const { sections } = await loadConfig({ live: liveSection });
  const { host, port } = sections.live.listen;
  return `http://${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
}
