/** Accepted sources with a real .dsc and no files behind it, for tests of what is built when; nothing runs. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { planBuilds } from '../../services/garage/dispatch/plan.ts';
import { waitingLanes, type Lane } from '../../services/garage/dispatch/lanes.ts';
import { claimBuild } from '../../services/garage/dispatch/lease.ts';
import { hostByName, type HostRow } from '../../services/garage/dispatch/rows.ts';
import { moveBuild, type BuildStatus } from '../../services/garage/buildme/transitions.ts';
import type { TestGarage } from '../support/garage.ts';

export interface Wanted {
  name: string;
  version?: string;
  product?: string;
  uploader?: string;
  /** Build-Depends. */
  needs?: string;
  needsIndep?: string;
  /** Binary packages, `name` or `name all`; default: one of the source's name. */
  provides?: string[];
  architectures?: string[];
}

function dscText(wanted: Required<Wanted>): string {
  const { name, version, needs, needsIndep, provides, architectures } = wanted;
  const tar = `${name}_${version}.tar.xz`;
  const sum = (algorithm: string): string => createHash(algorithm).update(tar).digest('hex');
  const binaries = provides.map((each) => each.split(' '));
  const lines = [
    'Format: 3.0 (native)',
    `Source: ${name}`,
    `Binary: ${binaries.map(([binary]) => binary).join(', ')}`,
    `Architecture: ${architectures.join(' ')}`,
    `Version: ${version}`,
    'Maintainer: Package Tester <tester@example.org>',
    ...(needs === '' ? [] : [`Build-Depends: ${needs}`]),
    ...(needsIndep === '' ? [] : [`Build-Depends-Indep: ${needsIndep}`]),
    'Package-List:',
    ...binaries.map(([binary, arch = 'any']) => ` ${binary} deb misc optional arch=${arch}`),
    ...['Checksums-Sha1:', ` ${sum('sha1')} 100 ${tar}`],
    ...['Checksums-Sha256:', ` ${sum('sha256')} 100 ${tar}`],
    ...['Files:', ` ${sum('md5')} 100 ${tar}`],
  ];
  return `${lines.join('\n')}\n`;
}

async function uploadOf(garage: TestGarage, product: string, uploader: string): Promise<string> {
  await garage.pool.query('insert into accounts (login, email) values ($1, $2) on conflict do nothing', [
    ...[uploader, `${uploader}@example.org`],
  ]);
  const { rows } = await garage.pool.query<{ id: string }>(
    `insert into uploads (product, account_id, trigger_file, files, status)
     select $1, id, 'x', '{}', 'accepted' from accounts where login = $2 returning id`,
    [product, uploader],
  );
  return rows[0]!.id;
}

/** Accepts a source and plans its builds; the .dsc is at its place unless `settled` is false. */
export async function accept(garage: TestGarage, asked: Wanted, settled = true): Promise<string> {
  const wanted: Required<Wanted> = {
    ...{ version: '1.0', product: garage.common.products[0]!.name, uploader: 'uploader' },
    ...{ needs: '', needsIndep: '', provides: [asked.name], architectures: ['any'] },
    ...asked,
  };
  const { name, version, product } = wanted;
  const directory = `sources/${product}/${name}/${version}`;
  const { rows } = await garage.pool.query<{ id: string }>(
    `insert into sources (upload_id, product, name, version, dsc, architectures, files, directory)
     values ($1, $2, $3, $4, $5, $6, '[]', $7) returning id`,
    [
      ...[await uploadOf(garage, product, wanted.uploader), product, name, version],
      ...[`${name}_${version}.dsc`, wanted.architectures, directory],
    ],
  );
  const settle = async (): Promise<void> => {
    const folder = path.join(garage.home.root, directory);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, `${name}_${version}.dsc`), dscText(wanted));
  };
  if (settled) await settle();
  await planBuilds(garage.pool, garage, rows[0]!.id);
  if (!settled) await settle();
  return rows[0]!.id;
}

export interface NewHost {
  name: string;
  slots?: number;
  architectures?: string[];
  features?: string[];
}

export async function addHostRow(garage: TestGarage, host: NewHost): Promise<HostRow> {
  const { name, slots = 64, architectures = ['amd64'], features = [] } = host;
  await garage.pool.query(
    `insert into hosts (name, address, port, username, host_key, workdir, slots, architectures, features)
     values ($1, '192.0.2.1', 22, 'builder', 'ssh-ed25519 AAAA', '/srv', $2, $3, $4)`,
    [name, slots, architectures, features],
  );
  return (await hostByName(garage.pool, name))!;
}

/** Leases the host's next build, as a free slot would; `name/architecture`, or null. */
export async function take(
  garage: TestGarage,
  host: HostRow,
  isSole: (lane: Lane) => boolean = () => true,
): Promise<string | null> {
  const { canBuild } = await import('../../services/garage/dispatch/lanes.ts');
  const lanes = (await waitingLanes(garage.pool)).filter((lane) => canBuild(host, lane));
  const { rows } = await garage.pool.query<{ slot: number }>(
    `select slot from generate_series(0, $2 - 1) slot
      where slot not in (select slot from attempts where host_id = $1 and finished_at is null) limit 1`,
    [host.id, host.slots],
  );
  const id = await claimBuild(garage, host, rows[0]!.slot, {
    lanes: lanes.map((lane) => lane.name),
    soleLanes: lanes.filter(isSole).map((lane) => lane.name),
  });
  if (id === null) return null;
  const found = await garage.pool.query<{ what: string }>(
    `select s.name || '/' || b.architecture as what
       from attempts a join builds b on b.id = a.build_id join sources s on s.id = b.source_id where a.id = $1`,
    [id],
  );
  return found.rows[0]!.what;
}

export async function takeAll(garage: TestGarage, host: HostRow): Promise<string[]> {
  const taken: string[] = [];
  for (;;) {
    const next = await take(garage, host);
    if (next === null) return taken;
    taken.push(next);
  }
}

const CLASSES: Partial<Record<BuildStatus, string>> = {
  attempted: 'package',
  'given-back': 'machine',
  'dep-wait': 'dep-wait',
};

/** Moves the builds of a source that have one status to another, ending their attempts. */
export async function move(
  garage: TestGarage,
  sourceId: string,
  from: BuildStatus,
  to: BuildStatus,
): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string }>(
    'select id from builds where source_id = $1 and status = $2 order by id',
    [sourceId, from],
  );
  for (const { id } of rows) {
    await moveBuild(garage.pool, id, from, to);
    await garage.pool.query(
      `update attempts set finished_at = now(), exit_class = $2 where build_id = $1 and finished_at is null`,
      [id, CLASSES[to] ?? 'success'],
    );
  }
}
