/** Uploaded binaries that are published as they came, through the real repository. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildmeRound } from '../../services/garage/buildme/round.ts';
import type { UploadOutcome } from '../../services/garage/uploads/outcome.ts';
import { repositorySection } from '../../services/repository/config.ts';
import type { Repository } from '../../services/repository/context.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { createMetrics } from '../../services/repository/metrics.ts';
import { createSigner, ensureArchiveKey } from '../../services/repository/signing/in-process.ts';
import { createPool } from '../../shared/database/pool.ts';
import { runChecked } from '../../shared/process/run.ts';
import { setManifest } from '../../shared/protocol/set.ts';
import { openTestGarage } from '../support/garage.ts';
import {
  addUploader,
  edit,
  listFile,
  nameOf,
  PackageShelf,
  putFiles,
  resum,
  signFile,
  type Files,
  type Uploader,
} from '../support/uploading.ts';

const SOURCES = [{ uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] }];
const garage = await openTestGarage({
  products: { bookworm: { architectures: ['amd64', 'i386'], sources: SOURCES, binaryUploads: 'accept' } },
});
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
let repository: Repository;
let me: Uploader;
let counter = 0;

beforeAll(async () => {
  me = await addUploader(garage, 'uploader');
  const { home, common, databaseUrl, log } = garage;
  const pool = createPool(databaseUrl, 'repository', () => undefined);
  const key = await ensureArchiveKey(home, { name: 'Test', email: 'test@example.org' });
  repository = {
    ...{ home, common, databaseUrl, log, pool, config: repositorySection.parse({}) },
    ...{ metrics: createMetrics(), signer: createSigner(key) },
    step: () => Promise.resolve(),
    now: () => new Date(),
    close: () => pool.end(),
  };
});
afterAll(async () => {
  await repository?.close();
  await garage.dispose();
});

/** A real package, by dpkg-deb. */
async function addDeb(
  files: Files,
  control: { name: string; version: string; architecture: string; source?: string },
): Promise<string> {
  counter += 1;
  const tree = path.join(garage.home.root, `deb-${String(counter)}`);
  await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
  const { name, version, architecture, source } = control;
  const text = [
    ...[`Package: ${name}`, `Version: ${version}`, `Architecture: ${architecture}`],
    ...(source === undefined ? [] : [`Source: ${source}`]),
    ...['Maintainer: Package Tester <tester@example.org>', 'Section: misc', 'Priority: optional'],
    ...['Description: uploaded', ` Number ${String(counter)}.`, ''],
  ];
  await writeFile(path.join(tree, 'DEBIAN/control'), text.join('\n'));
  const deb = `${name}_${version}_${architecture}.deb`;
  await runChecked(['dpkg-deb', '--root-owner-group', '--build', tree, path.join(tree, deb)]);
  await listFile(files, deb, await readFile(path.join(tree, deb)));
  return deb;
}

/** Names architectures, and whether the source is part of it. */
async function finish(files: Files, architectures: string): Promise<void> {
  await edit(files, '.changes', (text) =>
    text.replace('Architecture: source', `Architecture: ${architectures}`),
  );
  await signFile(files, me);
}

async function takeSourceOut(files: Files): Promise<void> {
  const kept = /\.(changes|deb)$/;
  await edit(files, '.changes', (text) =>
    text
      .split('\n')
      .filter((line) => !/^ [0-9a-f]{32,64} /.test(line) || kept.test(line))
      .join('\n'),
  );
  for (const name of files.keys()) if (!kept.test(name)) files.delete(name);
}

async function send(files: Files): Promise<UploadOutcome[]> {
  await putFiles(garage, 'uploader', files);
  const result = await buildmeRound(garage, { now: new Date(Date.now() + 61_000) });
  return result.kind === 'done' ? result.outcomes : [];
}

/** The repository's round, then garage's, which hears of it. */
async function publish(): Promise<void> {
  await sweepQueue(repository, { queue: 'devel', product: 'bookworm' });
  await buildmeRound(garage);
}

async function buildsOf(version: string): Promise<string[]> {
  const { rows } = await garage.pool.query<{ text: string }>(
    `select b.architecture || ' ' || b.binaries || ' ' || b.status as text
       from builds b join sources s on s.id = b.source_id where s.version = $1 order by 1`,
    [version],
  );
  return rows.map(({ text }) => text);
}

async function published(): Promise<string[]> {
  const { rows } = await garage.pool.query<{ text: string }>(
    `select p.name || ' ' || p.version || ' ' || p.architecture as text
       from repository.members m join repository.packages p on p.id = m.package_id where p.kind <> 'source' order by 1`,
  );
  return rows.map(({ text }) => text);
}

async function inIncoming(): Promise<string[]> {
  const folder = path.join(garage.home.repositoryIncoming, 'devel', 'bookworm');
  const names: string[] = await readdir(folder).catch(() => []);
  return names.filter((name) => !name.startsWith('.'));
}

describe('source and binaries together', () => {
  test('are published as they came; the other architecture is built', async () => {
    const files = await shelf.take('greeter', '1.0-1');
    await addDeb(files, { name: 'greeter', version: '1.0-1', architecture: 'amd64' });
    await finish(files, 'source amd64');
    expect(await send(files)).toMatchObject([{ status: 'accepted', warnings: [] }]);
    expect(await buildsOf('1.0-1')).toEqual(['amd64 any uploaded', 'i386 any needs-build']);
    const [id] = await inIncoming();
    const manifest = path.join(garage.home.repositoryIncoming, 'devel', 'bookworm', id!, 'manifest.json');
    expect(setManifest.parse(JSON.parse(await readFile(manifest, 'utf8')))).toMatchObject({
      ...{ id, source: 'greeter', sourceVersion: '1.0-1', architecture: 'amd64' },
      provenance: { uploader: 'uploader', host: 'uploaded' },
    });
    await publish();
    expect(await buildsOf('1.0-1')).toEqual(['amd64 any installed', 'i386 any needs-build']);
    expect(await published()).toEqual(['greeter 1.0-1 amd64']);
  });

  test('are handed over once, wherever a crash came between folder and row', async () => {
    const forget = async (): Promise<void> => {
      await garage.pool.query("update uploaded_sets set status = 'waiting'");
      await garage.pool.query("update builds set status = 'built' where architecture = 'amd64'");
    };
    const files = await shelf.take('greeter', '1.0-2');
    await addDeb(files, { name: 'greeter', version: '1.0-2', architecture: 'amd64' });
    await finish(files, 'source amd64');
    await send(files);
    const before = await inIncoming();
    expect(before).toHaveLength(1);
    await forget();
    await buildmeRound(garage);
    expect(await inIncoming()).toEqual(before);
    await publish();
    await forget();
    await buildmeRound(garage);
    expect(await inIncoming()).toEqual([]);
    expect(await buildsOf('1.0-2')).toEqual(['amd64 any installed', 'i386 any needs-build']);
    expect(await published()).toEqual(['greeter 1.0-2 amd64']);
  });

  test('a part of an architecture leaves the other part to be built', async () => {
    const files = await shelf.take('greeter', '1.1-1');
    await edit(files, '.dsc', (text) => text.replace('Architecture: any', 'Architecture: any all'));
    await resum(files, files.get(nameOf(files, '.dsc'))!);
    await addDeb(files, { name: 'greeter', version: '1.1-1', architecture: 'amd64' });
    await finish(files, 'source amd64');
    expect(await send(files)).toMatchObject([{ status: 'accepted' }]);
    expect(await buildsOf('1.1-1')).toEqual(['amd64 all needs-build', 'i386 any needs-build']);
    await publish();
    expect(await published()).toEqual(['greeter 1.1-1 amd64']);
  });

  test('what the repository refuses ends as attempted, and can be built here', async () => {
    const files = await shelf.take('greeter', '1.2-1');
    // The file is named as it should be; what is in it is of another source.
    const deb = await addDeb(files, {
      name: 'greeter',
      version: '1.2-1',
      architecture: 'amd64',
      source: 'other',
    });
    expect(deb).toBe('greeter_1.2-1_amd64.deb');
    await finish(files, 'source amd64');
    expect(await send(files)).toMatchObject([{ status: 'accepted' }]);
    await publish();
    expect(await buildsOf('1.2-1')).toEqual(['amd64 any attempted', 'i386 any needs-build']);
    const { rows } = await garage.pool.query('select fail_class from builds where status = $1', [
      'attempted',
    ]);
    expect(rows).toEqual([{ fail_class: 'repository' }]);
  });
});

describe('binaries alone', () => {
  test('take the place of a build that waits; again they change nothing; other content is refused', async () => {
    const source = await shelf.take('greeter', '2.0-1');
    await signFile(source, me);
    expect(await send(source)).toMatchObject([{ status: 'accepted' }]);
    const files = await shelf.take('greeter', '2.0-1');
    await addDeb(files, { name: 'greeter', version: '2.0-1', architecture: 'i386' });
    await takeSourceOut(files);
    await finish(files, 'i386');
    expect(await send(files)).toMatchObject([{ status: 'accepted', version: '2.0-1' }]);
    expect(await buildsOf('2.0-1')).toEqual(['amd64 any needs-build', 'i386 any uploaded']);
    expect(await send(files)).toMatchObject([{ status: 'accepted' }]);
    await publish();
    expect(await buildsOf('2.0-1')).toEqual(['amd64 any needs-build', 'i386 any installed']);
    const changed = await shelf.take('greeter', '2.0-1');
    await addDeb(changed, { name: 'greeter', version: '2.0-1', architecture: 'i386' });
    await takeSourceOut(changed);
    await finish(changed, 'i386');
    expect(await send(changed)).toMatchObject([{ status: 'rejected', code: 'file-exists' }]);
  });

  test('a binary-only rebuild (+b1) replaces what is installed', async () => {
    const files = await shelf.take('greeter', '2.0-1');
    await addDeb(files, {
      name: 'greeter',
      version: '2.0-1+b1',
      architecture: 'i386',
      source: 'greeter (2.0-1)',
    });
    await takeSourceOut(files);
    const changes = nameOf(files, '.changes');
    files.set('greeter_2.0-1+b1_i386.changes', files.get(changes)!);
    files.delete(changes);
    await edit(files, '.changes', (text) =>
      text
        .replace('Source: greeter\n', 'Source: greeter (2.0-1)\n')
        .replace('Version: 2.0-1\n', 'Version: 2.0-1+b1\n'),
    );
    await finish(files, 'i386');
    expect(await send(files)).toMatchObject([{ status: 'accepted', version: '2.0-1+b1' }]);
    await publish();
    expect(await published()).toContain('greeter 2.0-1+b1 i386');
    expect(await published()).not.toContain('greeter 2.0-1 i386');
    expect(await inIncoming()).toEqual([]);
  });
});
