/** What the bench of dispatch builds: accepted sources of several uploaders, with real files. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Garage } from '../../services/garage/context.ts';
import { planBuilds } from '../../services/garage/dispatch/plan.ts';
import { transaction } from '../../shared/database/pool.ts';

const UPLOADERS = 8;
/** A small package's; larger ones are the network's business, not the scheduler's. */
const TARBALL_BYTES = 20_000;

interface File {
  name: string;
  bytes: Buffer;
}

const sum = (algorithm: string, { bytes }: File): string => createHash(algorithm).update(bytes).digest('hex');

function dsc(name: string, tar: File): File {
  const line = (algorithm: string): string =>
    ` ${sum(algorithm, tar)} ${String(tar.bytes.length)} ${tar.name}`;
  const text = [
    ...['Format: 3.0 (native)', `Source: ${name}`, `Binary: ${name}`, 'Architecture: any', 'Version: 1.0'],
    ...[
      'Maintainer: Package Tester <tester@example.org>',
      'Build-Depends: debhelper-compat (= 13), libc6-dev',
    ],
    ...['Package-List:', ` ${name} deb misc optional arch=any`],
    ...['Checksums-Sha1:', line('sha1'), 'Checksums-Sha256:', line('sha256'), 'Files:', line('md5'), ''],
  ].join('\n');
  return { name: `${name}_1.0.dsc`, bytes: Buffer.from(text) };
}

/** Accepts `count` sources and plans their builds, all waiting. */
export async function acceptSources(garage: Garage, count: number): Promise<void> {
  const { pool } = garage;
  await pool.query(
    `insert into accounts (login, email)
     select 'uploader' || n, 'uploader' || n || '@example.org' from generate_series(1, $1) n`,
    [UPLOADERS],
  );
  for (let number = 1; number <= count; number += 1) await acceptOne(garage, number);
}

async function acceptOne(garage: Garage, number: number): Promise<void> {
  const product = garage.common.products[0]?.name ?? '';
  const name = `bench${String(number)}`;
  const directory = `sources/${product}/${name}/1.0`;
  const folder = path.join(garage.home.root, directory);
  await mkdir(folder, { recursive: true });
  const tar = { name: `${name}_1.0.tar.xz`, bytes: Buffer.alloc(TARBALL_BYTES, name) };
  const files = [dsc(name, tar), tar];
  for (const file of files) await writeFile(path.join(folder, file.name), file.bytes);
  const listed = files.map((file) => ({
    name: file.name,
    size: file.bytes.length,
    sha256: sum('sha256', file),
  }));
  await transaction(garage.pool, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `with upload as (
         insert into uploads (product, account_id, trigger_file, files, status, decided_at, settled_at)
         select $1, id, $2, '{}', 'accepted', now(), now() from accounts where login = $3 returning id)
       insert into sources (upload_id, product, name, version, dsc, architectures, files, directory)
       select id, $1, $4, '1.0', $2, '{any}', $5, $6 from upload returning id`,
      [
        ...[product, `${name}_1.0.dsc`, `uploader${String((number % UPLOADERS) + 1)}`, name],
        ...[JSON.stringify(listed), directory],
      ],
    );
    await planBuilds(client, garage, rows[0]?.id ?? '');
  });
}
