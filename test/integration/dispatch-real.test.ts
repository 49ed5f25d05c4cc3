/** The real runner in a real clean target, fetched and handed over: dispatch without any stand-in. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDispatcher } from '../../services/garage/dispatch/dispatcher.ts';
import { machineArchitecture, machineCodename } from '../../shared/config/machine.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { runChecked } from '../../shared/process/run.ts';
import { MANIFEST, setManifest } from '../../shared/protocol/set.ts';
import { openTestGarage, type TestGarage } from '../support/garage.ts';
import { clearsignFile, makeSigningKey, makeSourcePackage } from '../support/source-package.ts';
import { buildOf, insertSource, startBuilder, type BuilderService } from './dispatch-support.ts';

/** A cold base is made first: a minute on a slow line, more on a slow disk. */
const COLD_TIMEOUT_MS = 300_000;

let scratch: string;
let live: Server;
let garage: TestGarage;
let builder: BuilderService | undefined;
let product: string;
let architecture: string;

/** A live with an empty, signed devel queue, as the repository publishes at its first start. */
async function publishEmptyDevel(folder: string): Promise<void> {
  const { privateKey, publicKey } = await makeSigningKey('archive@example.org');
  const dists = path.join(folder, 'devel', 'dists', product);
  await mkdir(path.join(dists, 'main', `binary-${architecture}`), { recursive: true });
  await writeFile(path.join(dists, 'main', `binary-${architecture}`, 'Packages'), '');
  const sum = createHash('sha256').update('').digest('hex');
  const release = [
    `Origin: Test`,
    `Suite: ${product}`,
    `Codename: ${product}`,
    `Date: ${new Date().toUTCString()}`,
    `Architectures: ${architecture}`,
    `Components: main`,
    `SHA256:`,
    ` ${sum} 0 main/binary-${architecture}/Packages`,
    '',
  ];
  await writeFile(path.join(dists, 'InRelease'), release.join('\n'));
  await clearsignFile(path.join(dists, 'InRelease'), privateKey);
  await writeFile(path.join(folder, 'archive-key.asc'), publicKey);
}

async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const name = path.join(folder, path.normalize(new URL(request.url ?? '/', 'http://x').pathname));
    readFile(name)
      .then((content) => response.end(content))
      .catch(() => response.writeHead(404).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

beforeAll(async () => {
  product = await machineCodename();
  architecture = await machineArchitecture();
  scratch = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-dispatch-'));
  await publishEmptyDevel(scratch);
  live = await serve(scratch);
  garage = await openTestGarage({
    products: { [product]: { checks: { rebuild: 'informative' } } },
    garage: { repositoryUrl: `http://127.0.0.1:${String((live.address() as AddressInfo).port)}` },
    builder: { listen: '127.0.0.1:0', slots: 2, ...warmWorkdir() },
  });
});

afterAll(async () => {
  await builder?.stop();
  live.close();
  await garage.dispose();
  await rm(scratch, { recursive: true, force: true });
});

/** As root the host's default is shared by every installation; a normal user's lies below the real home. */
function warmWorkdir(): { workdir?: string } {
  if (process.getuid?.() === 0) return {};
  return { workdir: path.resolve(process.env['AUTOBUILDER_HOME'] ?? 'var', 'builder/work') };
}

async function accept(name: string): Promise<string> {
  const made = await makeSourcePackage(name, { outDir: path.join(scratch, name) });
  const directory = `sources/${product}/${name}/1`;
  await mkdir(path.join(garage.home.root, directory), { recursive: true });
  const files = [];
  for (const file of made.files.filter((each) => !each.endsWith('.changes'))) {
    await copyFile(file, path.join(garage.home.root, directory, path.basename(file)));
    const { size, sums } = await hashFile(file, ['sha256']);
    files.push({ name: path.basename(file), size, sha256: sums['sha256'] });
  }
  return insertSource(garage, { name, version: made.version, architectures: ['any'], files, directory });
}

test(
  'builds what was accepted, and takes a failing build for what it is',
  async () => {
    const dispatcher = createDispatcher(garage);
    expect(await dispatcher.start()).toBe(true);
    builder = await startBuilder(garage);
    const [good, bad] = [await accept('greeter'), await accept('simple-build-failure')];
    await dispatcher.idle();
    await dispatcher.stop();

    const build = await buildOf(garage, good);
    const { id, directory } = build.attempts[0]!;
    const results = path.join(garage.home.root, directory);
    const log = await readFile(path.join(results, 'build.log'), 'utf8').catch(() => '');
    expect({ ...build, end: log.slice(-2_000) }).toMatchObject({
      status: 'uploaded',
      attempts: [{ number: 1, exit_class: 'success', stage: 'done' }],
    });
    expect(log).toContain('dpkg-buildpackage');
    const folder = path.join(garage.home.repositoryIncoming, 'devel', product, id);
    const manifest = setManifest.parse(JSON.parse(await readFile(path.join(folder, MANIFEST), 'utf8')));
    const deb = manifest.files.find((file) => file.name.endsWith('.deb'))!.name;
    const { stdout } = await runChecked(['dpkg-deb', '--field', path.join(folder, deb), 'Package']);
    expect(stdout.toString('utf8').trim()).toBe('greeter');
    expect((await readdir(results)).some((name) => name.endsWith('.buildinfo'))).toBe(true);

    const checks = await garage.pool.query(
      `select name, blocking, verdict, message from check_results where source = 'greeter' order by name`,
    );
    expect(checks.rows).toEqual([
      { name: 'install', blocking: true, verdict: 'passed', message: 'It installs' },
      {
        ...{ name: 'rebuild', blocking: false, verdict: 'passed' },
        message: 'Reproducible: 1 packages are the same bytes',
      },
    ]);

    expect(await buildOf(garage, bad)).toMatchObject({
      status: 'attempted',
      fail_class: 'package',
      attempts: [{ number: 1, exit_class: 'package', stage: 'build' }],
    });
  },
  COLD_TIMEOUT_MS,
);
