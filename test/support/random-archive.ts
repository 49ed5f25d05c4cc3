/** Small random archives with knotty dependencies, and what dose3 (another's solver) says of them. */
import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { itemsFor } from '../../services/repository/installability/items.ts';
import { Universe } from '../../services/repository/installability/universe.ts';
import { runChecked } from '../../shared/process/run.ts';
import type { HeldPackage } from '../../services/repository/upkeep/retention/slices.ts';

export interface RandomPackage extends HeldPackage {
  stanza: string;
}

export const ARCHITECTURES = ['amd64', 'i386'];
const SOURCES = ['a', 'b', 'c', 'd', 'e'];
const VERSIONS = ['1', '2', '3'];
const NAMES = SOURCES.flatMap((source) => [source, `lib${source}`]);

const relation = fc
  .tuple(
    fc.constantFrom(...NAMES, 'virtual'),
    fc.option(fc.tuple(fc.constantFrom('>=', '=', '<<', '<=', '>>'), fc.constantFrom(...VERSIONS)), {
      freq: 2,
    }),
  )
  .map(([name, version]) => (version ? `${name} (${version.join(' ')})` : name));
const depends = fc
  .array(
    fc.array(relation, { minLength: 1, maxLength: 2 }).map((alternatives) => alternatives.join(' | ')),
    { maxLength: 3 },
  )
  .map((groups) => groups.join(', '));
const often = (values: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.option(values, { freq: 1, nil: '' });
const rarely = (values: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ arbitrary: values, weight: 1 }, { arbitrary: fc.constant(''), weight: 4 });

const fieldsOf = fc.record({
  Depends: depends,
  Conflicts: often(relation),
  Breaks: rarely(relation),
  Provides: rarely(fc.constantFrom('virtual', 'virtual (= 2)', ...NAMES)),
  'Built-Using': rarely(
    fc.tuple(fc.constantFrom(...SOURCES), fc.constantFrom(...VERSIONS)).map(([s, v]) => `${s} (= ${v})`),
  ),
});
const version = fc.record({
  binaries: fc.array(
    fc.record({
      fields: fieldsOf,
      architectures: fc.constantFrom(['all'], ['amd64'], ['i386'], ARCHITECTURES),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  build: depends,
});

/** Every package of some versions of five sources. */
export const randomArchive: fc.Arbitrary<RandomPackage[]> = fc
  .tuple(...SOURCES.map(() => fc.array(version, { maxLength: 3 })))
  .map((perSource) => {
    let id = 0;
    const nextId = (): string => String((id += 1));
    return perSource.flatMap((versions, sourceIndex) =>
      versions.flatMap((each, index) =>
        packagesOf(SOURCES[sourceIndex] ?? '', VERSIONS[index] ?? '', each, nextId),
      ),
    );
  });

function packagesOf(
  source: string,
  sourceVersion: string,
  made: { binaries: { fields: Record<string, string>; architectures: string[] }[]; build: string },
  nextId: () => string,
): RandomPackage[] {
  const since = new Date(Date.UTC(2026, 0, Number(sourceVersion)));
  const common = { source, sourceVersion, version: sourceVersion, since };
  const own: RandomPackage = {
    ...{ ...common, id: nextId(), kind: 'source', name: source, architecture: 'source' },
    stanza: stanza({
      Package: source,
      Version: sourceVersion,
      Architecture: 'any all',
      'Build-Depends': made.build,
    }),
  };
  const binaries = made.binaries.flatMap(({ fields, architectures }, index) =>
    architectures.map((architecture): RandomPackage => {
      const name = index === 0 ? source : `lib${source}`;
      const text = stanza({ Package: name, Version: sourceVersion, Architecture: architecture, ...fields });
      return { ...common, id: nextId(), kind: 'deb', name, architecture, stanza: text };
    }),
  );
  return [own, ...binaries];
}

function stanza(fields: Record<string, string>): string {
  const lines = Object.entries(fields).filter(([, value]) => value !== '');
  return lines.map(([name, value]) => `${name}: ${value}\n`).join('');
}

/** Without dependencies that nothing here meets: to us these are the distribution's, to dose3 they are lost. */
export function closed(packages: readonly RandomPackage[], architecture: string): RandomPackage[] {
  const { debs } = itemsFor(architecture, packages);
  const world = new Universe(debs);
  const byId = new Map(debs.map((item) => [item.id, item]));
  return packages.map((each) => {
    const item = byId.get(each.id);
    const kept = (item?.depends ?? []).filter((group) => world.providers(group).length > 0);
    const text = kept
      .map((group) =>
        group.map(({ name, version: v }) => (v ? `${name} (${v.operator} ${v.version})` : name)).join(' | '),
      )
      .join(', ');
    const field = each.kind === 'source' ? 'Build-Depends' : 'Depends';
    const rest = each.stanza.replace(new RegExp(`^${field}:.*\n`, 'm'), '');
    return { ...each, stanza: text === '' ? rest : `${rest}${field}: ${text}\n` };
  });
}

/** Ids of what dose3 says cannot be installed, or built, on the architecture. */
export async function brokenByDose(
  packages: readonly RandomPackage[],
  architecture: string,
): Promise<Set<string>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-dose-'));
  try {
    const mine = packages.filter((each) => ['all', architecture].includes(each.architecture));
    const sources = packages.filter((each) => each.kind === 'source');
    const essential = 'Package: build-essential\nVersion: 1\nArchitecture: all\n';
    const [binaryFile, sourceFile] = [path.join(folder, 'Packages'), path.join(folder, 'Sources')];
    await writeFile(binaryFile, [...mine.map((each) => each.stanza), essential].join('\n'));
    await writeFile(sourceFile, sources.map((each) => each.stanza).join('\n'));
    const native = `--deb-native-arch=${architecture}`;
    const installed = await dose(['dose-debcheck', native, '-f', binaryFile]);
    const built =
      sources.length === 0
        ? new Set()
        : await dose(['dose-builddebcheck', native, '-f', binaryFile, sourceFile]);
    const isBroken = (each: RandomPackage): boolean =>
      (each.kind === 'source' ? built : installed).has(`${each.name} ${each.version}`);
    return new Set([...mine, ...sources].filter(isBroken).map((each) => each.id));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `name version` of the broken ones; the report is YAML of one fixed form. */
async function dose(argv: [string, ...string[]]): Promise<Set<string>> {
  // 1 to 63: something is broken.
  const okCodes = Array.from({ length: 64 }, (_, code) => code);
  const { stdout } = await runChecked(argv, { okCodes });
  const found = stdout.toString().matchAll(/^ {2}package: (\S+)\n {2}version: (\S+)$/gm);
  return new Set([...found].map(([, name, number]) => `${name ?? ''} ${number ?? ''}`));
}
