/** Sets as garage hands them over, each a source of one binary: what one added package is for Autobuilder. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SetManifest } from '../../shared/protocol/set.ts';
import { makeTar, sum, xzFiles } from './deb.ts';
import type { MadePackage } from './packages.ts';

/** Makes the set of each package below `making`, ready to be renamed into incoming; returns the folders. */
export async function makeSets(
  making: string,
  at: { queue: string; product: string },
  packages: readonly MadePackage[],
): Promise<string[]> {
  const tars = packages.map(({ name }) => makeTar([{ path: 'README', content: Buffer.from(`${name}\n`) }]));
  const packed = await xzFiles(tars);
  return Promise.all(packages.map((each, index) => makeSet(making, at, each, packed[index] as Buffer)));
}

async function makeSet(
  making: string,
  at: { queue: string; product: string },
  each: MadePackage,
  tar: Buffer,
): Promise<string> {
  const id = randomUUID();
  const folder = path.join(making, id);
  await mkdir(folder, { recursive: true });
  const debName = path.basename(each.file);
  const tarName = `${each.name}_${each.version}.tar.xz`;
  const dscName = `${each.name}_${each.version}.dsc`;
  const dsc = Buffer.from(dscText(each, tarName, tar));
  await writeFile(path.join(folder, dscName), dsc);
  await writeFile(path.join(folder, tarName), tar);
  await link(each.file, path.join(folder, debName));
  const deb = await readFile(each.file);
  const manifest: SetManifest = {
    ...{ version: 1, id, ...at, component: 'main', source: each.name, sourceVersion: each.version },
    ...{ architecture: 'amd64', dsc: dscName },
    files: [entry(dscName, dsc), entry(tarName, tar), entry(debName, deb)],
    provenance: {
      ...{ uploadId: randomUUID(), uploader: 'bench', signedBy: null, buildId: 1, host: 'bench' },
      builtAt: '2026-01-01T00:00:00Z',
    },
  };
  await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
  return folder;
}

function dscText({ name, version }: MadePackage, tarName: string, tar: Buffer): string {
  const line = (kind: 'md5' | 'sha1' | 'sha256'): string =>
    ` ${sum(kind, tar)} ${String(tar.length)} ${tarName}`;
  return [
    ...['Format: 3.0 (native)', `Source: ${name}`, `Binary: ${name}`, 'Architecture: any'],
    ...[`Version: ${version}`, 'Maintainer: Bench <bench@example.org>', 'Standards-Version: 4.6.2'],
    ...['Package-List:', ` ${name} deb misc optional arch=any`],
    ...['Checksums-Sha1:', line('sha1'), 'Checksums-Sha256:', line('sha256'), 'Files:', line('md5'), ''],
  ].join('\n');
}

function entry(name: string, content: Buffer): SetManifest['files'][number] {
  return { name, size: content.length, sha256: sum('sha256', content) };
}
