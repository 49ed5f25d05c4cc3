/**
 * Debian's own source packages, one of each kind, on amd64 and i386, for two releases at once: uploaded as the
 * archive has them (a lone .dsc, by scp), built, tried by installing, published. Needs the archive and some
 * minutes, so it belongs to the long form (`npm run test:long`).
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchSource } from '../../deploy/embedded/demo/fetch.ts';
import type { AptSource } from '../../shared/protocol/job.ts';
import { machineCodename, machineSources } from '../../shared/config/machine.ts';
import { parseDsc, type Dsc } from '../../shared/debian/dsc.ts';
import { readClearsigned } from '../../shared/openpgp/cleartext.ts';
import { runChecked } from '../../shared/process/run.ts';
import { IS_LONG } from '../chaos/seeds.ts';
import { makeInstallation, type Installation, type Uploader } from '../support/installation.ts';
import { readIndex } from '../support/read-index.ts';
import { waitFor } from '../support/wait.ts';

/** Two bases for each of two releases are made first on a cold machine. */
const TIMEOUT_MS = 3_000_000;
const ARCHITECTURES = ['amd64', 'i386'];

/** Of each kind one source, the first that the machine's archive can deliver. */
const KINDS: { kind: string; candidates: string[] }[] = [
  { kind: '3.0 (quilt)', candidates: ['hello'] },
  { kind: 'a game', candidates: ['sl'] },
  { kind: 'a program', candidates: ['tree'] },
  { kind: 'arch:all only', candidates: ['cowsay', 'figlet-fonts', 'lolcat'] },
  { kind: 'several binaries', candidates: ['cliquer', 'discount'] },
  { kind: 'udeb', candidates: ['beep', 'udpkg'] },
  { kind: 'native', candidates: ['hostname', 'anacron'] },
  { kind: '1.0', candidates: ['bonnie++', 'bfbtester'] },
  { kind: 'several origs', candidates: ['git-flow', 'gflags', 'boolector'] },
];

interface Fetched {
  product: string;
  kind: string;
  dsc: Dsc;
  /** Paths, the .dsc last. */
  files: string[];
}

let line: Installation;
let uploader: Uploader;
/** Where each release's packages come from. */
let archives: Map<string, AptSource[]>;

/** The machine's release and its neighbour, each with its main suite alone: not every mirror has i386 beside it. */
async function products(): Promise<Record<string, unknown>> {
  const own = await machineCodename();
  const main = (await machineSources()).find(({ suites }) => suites.includes(own));
  if (!main) throw new Error('the machine names no archive');
  const releases = [own, own === 'trixie' ? 'bookworm' : 'trixie'];
  archives = new Map(releases.map((name) => [name, [{ ...main, suites: [name] }]]));
  return Object.fromEntries(
    [...archives].map(([name, sources]) => [
      name,
      { architectures: ARCHITECTURES, signature: 'login', sources },
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

async function fetchOne(product: string, { kind, candidates }: (typeof KINDS)[number]): Promise<Fetched> {
  const folder = path.join(line.home.root, 'fetched', product);
  await mkdir(folder, { recursive: true });
  const own = archives.get(product);
  // What a mirror lacks of one release may be built from the other's source.
  const tries = [own, undefined].flatMap((sources) => candidates.map((name) => ({ name, sources })));
  for (const { name, sources } of tries) {
    const file = await fetchSource(name, folder, sources).catch(() => null);
    if (file === null) continue;
    const text = await readFile(file, 'utf8');
    const dsc = parseDsc(text.startsWith('-----BEGIN') ? readClearsigned(text).text : text);
    const names = dsc.files.map((each) => path.join(path.dirname(file), each.name));
    return { product, kind, dsc, files: [...names, file] };
  }
  throw new Error(`the archive of ${product} delivers none of ${candidates.join(', ')}`);
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
    const fetched: Fetched[] = [];
    for (const product of archives.keys()) {
      for (const kind of KINDS) {
        const one = await fetchOne(product, kind);
        await scp(one.files, product);
        fetched.push(one);
      }
    }
    for (const { product, kind, dsc } of fetched) {
      const what = `${dsc.source} (${kind}) for ${product}`;
      const builds = await waitFor(
        what,
        async () => {
          const rows = await buildsOf(dsc.source, product);
          return rows.length > 0 && rows.every((row) => OVER.includes(row.status)) && rows;
        },
        TIMEOUT_MS,
      );
      const expected = (isForAll(dsc) ? ARCHITECTURES.slice(0, 1) : ARCHITECTURES).map((architecture) => ({
        ...{ architecture, status: 'installed', why: null },
      }));
      expect({ what, builds }).toMatchObject({ what, builds: expected });
    }
    for (const product of archives.keys()) {
      await holdsEverything(
        product,
        fetched.filter((each) => each.product === product),
      );
    }
  },
  TIMEOUT_MS,
);

/** Built once, on the product's first architecture. */
function isForAll(dsc: Dsc): boolean {
  return dsc.architectures.every((each) => each === 'all');
}

/** The blocking check has installed each of them; here every index has them where it should. */
async function holdsEverything(product: string, fetched: readonly Fetched[]): Promise<void> {
  const binaries = fetched.flatMap(({ dsc }) => dsc.packageList);
  const of = (type: string): string[] =>
    binaries.filter((each) => each.type === type).map(({ name }) => name);
  expect(of('udeb')).not.toEqual([]);
  for (const architecture of ARCHITECTURES) {
    const names = await indexed(product, `binary-${architecture}/Packages.gz`);
    const installer = await indexed(product, `debian-installer/binary-${architecture}/Packages.gz`);
    expect(names).toEqual(expect.arrayContaining(of('deb')));
    expect(installer).toEqual(expect.arrayContaining(of('udeb')));
  }
  const sources = await indexed(product, 'source/Sources.gz');
  expect(sources).toEqual(expect.arrayContaining(fetched.map(({ dsc }) => dsc.source)));
  const tried = await line.pool.query<{ status: string }>(
    `select distinct status from checks where name = 'install'`,
  );
  expect(tried.rows).toEqual([{ status: 'passed' }]);
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
