/**
 * Debian's own source packages, one of each kind, on amd64 and i386, for two releases at once: uploaded as the
 * archive has them (a lone .dsc, by scp), built, tried by installing, published. Needs the archive and some
 * minutes, so it belongs to the long form (`npm run test:long`).
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchSource } from '../../deploy/embedded/demo/fetch.ts';
import { machineCodename, machineSources } from '../../shared/config/machine.ts';
import { parseDsc } from '../../shared/debian/dsc.ts';
import { readClearsigned } from '../../shared/openpgp/cleartext.ts';
import { runChecked } from '../../shared/process/run.ts';
import { IS_LONG } from '../chaos/seeds.ts';
import { makeInstallation, type Installation, type Uploader } from '../support/installation.ts';
import { readIndex } from '../support/read-index.ts';
import { waitFor } from '../support/wait.ts';

/** Two bases for each of two releases are made first on a cold machine. */
const TIMEOUT_MS = 3_000_000;
const ARCHITECTURES = ['amd64', 'i386'];

/** What each stands for, its binaries, and the architectures it is built on. */
const PACKAGES: Record<string, { kind: string; binaries: string[]; udebs?: string[]; all?: true }> = {
  hello: { kind: '3.0 (quilt)', binaries: ['hello'] },
  sl: { kind: 'a program', binaries: ['sl'] },
  tree: { kind: 'a program', binaries: ['tree'] },
  cowsay: { kind: 'arch:all only', binaries: ['cowsay', 'cowsay-off'], all: true },
  cliquer: { kind: 'several binaries', binaries: ['cliquer', 'libcliquer1', 'libcliquer-dev'] },
  beep: { kind: 'udeb', binaries: ['beep'], udebs: ['beep-udeb'] },
  hostname: { kind: 'native', binaries: ['hostname'] },
  authbind: { kind: '1.0', binaries: ['authbind'] },
  'git-flow': { kind: 'several origs', binaries: ['git-flow'], all: true },
};

let line: Installation;
let uploader: Uploader;
let releases: string[];

/** The machine's release and its neighbour, each with its main suite alone: not every mirror has i386 beside it. */
async function products(): Promise<Record<string, unknown>> {
  const own = await machineCodename();
  const main = (await machineSources()).find(({ suites }) => suites.includes(own));
  if (!main) throw new Error('the machine names no archive');
  releases = [own, own === 'trixie' ? 'bookworm' : 'trixie'];
  return Object.fromEntries(
    releases.map((name) => [
      name,
      { architectures: ARCHITECTURES, signature: 'login', sources: [{ ...main, suites: [name] }] },
    ]),
  );
}

beforeAll(async () => {
  if (!IS_LONG) return;
  line = await makeInstallation({ config: { products: await products() } });
  await line.start();
  uploader = await line.addAccount('uploader');
}, TIMEOUT_MS);
afterAll(() => line?.dispose(), 60_000);

/** The files that a .dsc names, itself last. */
async function filesOf(dsc: string): Promise<string[]> {
  const text = await readFile(dsc, 'utf8');
  const { files } = parseDsc(text.startsWith('-----BEGIN') ? readClearsigned(text).text : text);
  return [...files.map((file) => path.join(path.dirname(dsc), file.name)), dsc];
}

async function scp(files: string[], product: string): Promise<void> {
  const known = path.join(path.dirname(uploader.sshKey), 'known_hosts');
  const hostKey = await readFile(path.join(line.home.drop, 'ssh_host_ed25519_key.pub'), 'utf8');
  await writeFile(known, `[127.0.0.1]:${String(line.ports.ssh)} ${hostKey}`);
  const options = ['-q', '-P', String(line.ports.ssh), '-i', uploader.sshKey, '-o', 'IdentitiesOnly=yes'];
  const target = `${uploader.login}@127.0.0.1:/${product}/`;
  await runChecked(['scp', ...options, '-o', `UserKnownHostsFile=${known}`, ...files, target]);
}

interface BuildRow {
  id: string;
  architecture: string;
  status: string;
  why: string | null;
}

async function buildsOf(source: string, product: string): Promise<BuildRow[]> {
  const { rows } = await line.pool.query<BuildRow>(
    `select b.id, b.architecture, b.status, b.fail_reason as why
       from builds b join sources s on s.id = b.source_id where s.name = $1 and s.product = $2 order by 2`,
    [source, product],
  );
  return rows;
}

const OVER = ['installed', 'attempted', 'cancelled', 'superseded', 'not-for-us'];

test.runIf(IS_LONG)(
  'every kind of source package, for every architecture and release',
  async () => {
    const folder = path.join(line.home.root, 'fetched');
    await mkdir(folder, { recursive: true });
    for (const name of Object.keys(PACKAGES)) {
      const files = await filesOf(await fetchSource(name, folder));
      for (const product of releases) await scp(files, product);
    }
    for (const [source, { kind, all }] of Object.entries(PACKAGES)) {
      for (const product of releases) {
        const what = `${source} (${kind}) for ${product}`;
        const builds = await waitFor(
          what,
          async () => {
            const rows = await buildsOf(source, product);
            return rows.length > 0 && rows.every((row) => OVER.includes(row.status)) && rows;
          },
          TIMEOUT_MS,
        );
        const expected = (all ? ['amd64'] : ARCHITECTURES).map((architecture) => ({
          ...{ architecture, status: 'installed', why: null },
        }));
        expect({ what, builds }).toMatchObject({ what, builds: expected });
      }
    }
    for (const product of releases) await holdsEverything(product);
  },
  TIMEOUT_MS,
);

/** The blocking check has installed each of them; here every index has them where it should. */
async function holdsEverything(product: string): Promise<void> {
  for (const architecture of ARCHITECTURES) {
    const names = await indexed(product, `binary-${architecture}/Packages.gz`);
    const installer = await indexed(product, `debian-installer/binary-${architecture}/Packages.gz`);
    for (const { binaries, udebs = [] } of Object.values(PACKAGES)) {
      expect(names).toEqual(expect.arrayContaining(binaries));
      expect(installer).toEqual(expect.arrayContaining(udebs));
    }
    const tried = await line.pool.query<{ failed: number }>(
      `select count(*)::int as failed from checks where name = 'install' and status <> 'passed'`,
    );
    expect(tried.rows).toEqual([{ failed: 0 }]);
  }
  const sources = await indexed(product, 'source/Sources.gz');
  expect(sources).toEqual(expect.arrayContaining(Object.keys(PACKAGES)));
}

/** Names in an index of live, as soon as it has all that is staged. */
async function indexed(product: string, index: string): Promise<string[]> {
  await waitFor('live to be up to date', async () => {
    const { rows } = await line.pool.query(
      `select from repository.generations where product = $1 and status <> 'live'`,
      [product],
    );
    return rows.length === 0;
  });
  const folder = path.join(line.home.live, 'devel/dists', product, 'main');
  expect(await readdir(folder)).not.toEqual([]);
  const text = await readIndex(path.join(folder, index));
  return [...text.matchAll(/^Package: (.+)$/gm)].map(([, name]) => name ?? '');
}
