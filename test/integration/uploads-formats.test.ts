/** Every form of a good upload, made by dpkg's own tools: formats, several origs, epochs, names that are not ASCII. */
import { copyFile, mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChecked } from '../../shared/process/run.ts';
import { PRODUCTS } from '../support/bad-uploads/case.ts';
import { openTestGarage } from '../support/garage.ts';
import { clearsignFile, signChanges } from '../support/source-package.ts';
import {
  addUploader,
  edit,
  nameOf,
  putFiles,
  resum,
  round,
  type Files,
  type Uploader,
} from '../support/uploading.ts';

const MAKE = path.resolve(import.meta.dirname, '../fixtures/debian/make.sh');
const garage = await openTestGarage({ products: PRODUCTS });
const made = path.join(garage.home.root, 'made');
let packager: Uploader;
let counter = 0;
afterAll(() => garage.dispose());

beforeAll(async () => {
  await mkdir(made, { recursive: true });
  await runChecked(['sh', MAKE, made]);
  packager = await addUploader(garage, 'packager');
});

/** A copy of everything that belongs to a source, with its .changes; `isSource` names belong to it. */
async function take(source: string): Promise<Files> {
  counter += 1;
  const folder = path.join(garage.home.root, `copy-${String(counter)}`);
  await mkdir(folder);
  const files: Files = new Map();
  const wanted = (name: string): boolean =>
    name.startsWith(`${source}_`) && !name.endsWith('.deb') && !name.includes('+b1');
  for (const name of (await readdir(made)).filter(wanted).toSorted()) {
    await copyFile(path.join(made, name), path.join(folder, name));
    files.set(name, path.join(folder, name));
  }
  return files;
}

interface SourceRow {
  version: string;
  architectures: string[];
  files: { name: string }[];
  builds: string[];
}

async function sourceOf(name: string, version: string, product: string): Promise<SourceRow> {
  const { rows } = await garage.pool.query<SourceRow>(
    `select s.version, s.architectures, s.files, array(
              select b.architecture || ' ' || b.binaries from builds b where b.source_id = s.id) as builds
       from sources s where s.name = $1 and s.version = $2 and s.product = $3`,
    [name, version, product],
  );
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

const SAMPLES = [
  { source: 'native-sample', version: '1.2+nmu1', builds: ['amd64 all'] },
  { source: 'quilt-sample', version: '1:2.0~rc1-1', builds: ['amd64 both'] },
  { source: 'old-sample', version: '0.9-3', builds: ['amd64 any'] },
  { source: 'old-native', version: '7', builds: ['amd64 any'] },
];

describe.each(SAMPLES)('$source $version', ({ source, version, builds }) => {
  test('is taken as a signed .changes', async () => {
    const files = await take(source);
    await signChanges(files.get(nameOf(files, '.changes'))!, packager.privateKey);
    await putFiles(garage, 'packager', files);
    expect(await round(garage)).toMatchObject([
      { kind: 'decided', status: 'accepted', source, version, warnings: [] },
    ]);
    const row = await sourceOf(source, version, 'bookworm');
    expect(row.builds).toEqual(builds);
    const listed = [...files.keys()].filter((name) => !/\.(changes|buildinfo)$/.test(name));
    expect(row.files.map(({ name }) => name).toSorted()).toEqual(listed.toSorted());
  });

  test('is taken as a signed .dsc on its own', async () => {
    const files = await take(source);
    files.delete(nameOf(files, '.changes'));
    await clearsignFile(files.get(nameOf(files, '.dsc'))!, packager.privateKey);
    await putFiles(garage, 'packager', files, 'refusing');
    expect(await round(garage, 61)).toMatchObject([{ status: 'accepted', source, version }]);
    expect((await sourceOf(source, version, 'refusing')).builds).toEqual(builds);
  });
});

test('several orig tarballs and the signature of upstream may all be left out', async () => {
  const files = await take('quilt-sample');
  for (const [name, file] of files) {
    if (!name.includes('rc1-1')) continue;
    const renamed = file.replace('rc1-1', 'rc1-2');
    await rename(file, renamed);
    files.delete(name);
    files.set(path.basename(renamed), renamed);
  }
  await edit(files, '.dsc', (text) => text.replaceAll('rc1-1', 'rc1-2'));
  await edit(files, '.changes', (text) =>
    text.replaceAll('rc1-1', 'rc1-2').replaceAll(/^ [0-9a-f]{32,64} .*\.orig.*\n/gm, ''),
  );
  await resum(files, files.get(nameOf(files, '.dsc'))!);
  const origs = [...files.keys()].filter((name) => name.includes('.orig'));
  expect(origs).toHaveLength(4);
  for (const name of origs) files.delete(name);
  await signChanges(files.get(nameOf(files, '.changes'))!, packager.privateKey);
  await putFiles(garage, 'packager', files);
  expect(await round(garage)).toMatchObject([{ status: 'accepted', version: '1:2.0~rc1-2' }]);
  const row = await sourceOf('quilt-sample', '1:2.0~rc1-2', 'bookworm');
  expect(row.files.map(({ name }) => name)).toEqual(expect.arrayContaining(origs));
});
