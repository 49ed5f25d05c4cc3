/** Our index stanzas against apt's own tools, on one pool of real packages made with dpkg's tools. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTROL_TAR_MAX_BYTES, extractControl, readDebControl } from '../../shared/debian/deb.ts';
import { formatParagraph, parseDeb822, type Paragraph } from '../../shared/debian/deb822.ts';
import { parseDsc } from '../../shared/debian/dsc.ts';
import { shortenDescription } from '../../shared/debian/description.ts';
import { packagesStanza, releaseFile, sourcesStanza, type PoolFile } from '../../shared/debian/indexes.ts';
import { generateArchiveKey } from '../../shared/openpgp/keys.ts';
import { clearsign } from '../../shared/openpgp/sign.ts';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures/debian');
/** Fields in an order that no tool writes, with those that only an archive may set. */
const RICH_CONTROL = `Description: reiche Größe
 long text
 .
  indented
Tag: a::b
X-Custom: kept
Depends: libc6 (>= 2.36), libquilt-sample1
Homepage: https://example.org/rich
Filename: ../../etc/passwd
Version: 3:1.0~rc1+dfsg-1
Section: utils
Installed-Size: 12
Architecture: all
Breaks: rich-old
Maintainer: Beispielgröße <groesse@example.org>
Multi-Arch: foreign
Recommends: a
Priority: optional
Package: rich
Replaces: rich-old
Provides: virtual
Pre-Depends: b
Conflicts: c
Enhances: d
Suggests: e
Essential: no
Built-Using: gcc-12 (= 12.2.0-14)
Task: t
`;

let root: string;

async function makeDeb(name: string, control: string, options: string[]): Promise<void> {
  const tree = path.join(root, 'tree', name);
  await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
  await writeFile(path.join(tree, 'DEBIAN/control'), control);
  await writeFile(path.join(tree, 'content'), name);
  const deb = path.join(root, 'pool', `${name}.deb`);
  await runChecked(['dpkg-deb', '--nocheck', '--root-owner-group', ...options, '--build', tree, deb]);
}

function plain(name: string): string {
  return `Package: ${name}\nVersion: 1\nArchitecture: amd64\nMaintainer: M <m@example.org>\nDescription: one line\n`;
}

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'indexes-'));
  await chmod(root, 0o755); // apt reads it as its own user when the tests run as root
  await mkdir(path.join(root, 'pool/sources'), { recursive: true });
  await runChecked(['sh', path.join(FIXTURES, 'make.sh'), path.join(root, 'pool/sources')]);
  await makeDeb('rich_1.0_all', RICH_CONTROL, ['-Zxz']);
  await makeDeb('gzip_1_amd64', plain('gzip'), ['-Zgzip']);
  await makeDeb('zstd_1_amd64', plain('zstd'), ['-Zzstd']);
  await makeDeb('none_1_amd64', plain('none'), ['-Znone', '--uniform-compression']);
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** apt's own index; SHA512 off, since ours ends at SHA256 as Debian's does. */
async function ftparchive(args: string[]): Promise<string> {
  const argv = ['apt-ftparchive', '-q', '-o', 'APT::FTPArchive::SHA512=false', ...args] as const;
  const { stdout } = await runChecked([...argv], { cwd: root });
  return stdout.toString('utf8');
}

async function poolFiles(ending: string): Promise<string[]> {
  const names = await readdir(path.join(root, 'pool'), { recursive: true });
  return names.filter((name) => name.endsWith(ending)).map((name) => `pool/${name}`);
}

async function factsOf(file: string): Promise<PoolFile> {
  const bytes = await readFile(path.join(root, file));
  const sum = (algorithm: string): string => createHash(algorithm).update(bytes).digest('hex');
  return { path: file, size: bytes.length, md5: sum('md5'), sha1: sum('sha1'), sha256: sum('sha256') };
}

async function unxz(bytes: Uint8Array): Promise<Uint8Array> {
  const { stdout } = await runChecked(['xz', '-dc'], { input: bytes, maxOutputBytes: CONTROL_TAR_MAX_BYTES });
  return stdout;
}

async function controlOf(file: string): Promise<Paragraph> {
  const handle = await open(path.join(root, file));
  try {
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const { name, offset, size } = await readDebControl(read, (await handle.stat()).size);
    return (await extractControl(name, await read(offset, size), unxz)).paragraph;
  } finally {
    await handle.close();
  }
}

async function ourPackages(shortDescription = false): Promise<string[]> {
  const debs = await poolFiles('.deb');
  return Promise.all(
    debs.map(async (file) => {
      const stanza = packagesStanza(await controlOf(file), await factsOf(file));
      return shortDescription ? shortenDescription(stanza) : stanza;
    }),
  );
}

const ARCHIVE = { section: 'utils', priority: 'optional' };

async function ourSources(): Promise<string[]> {
  const dscs = await poolFiles('.dsc');
  return Promise.all(
    dscs.map(async (file) => {
      const { path: _path, ...facts } = await factsOf(file);
      const dsc = parseDsc(await readFile(path.join(root, file), 'utf8'));
      return sourcesStanza(
        dsc.paragraph,
        { name: path.basename(file), ...facts },
        path.dirname(file),
        ARCHIVE,
      );
    }),
  );
}

/** Stanzas as text without what apt writes differently from run to run: their order, and blanks before a line's end. */
function sorted(stanzas: string[]): string[] {
  return stanzas.map((stanza) => stanza.replaceAll(/ +\n/g, '\n')).toSorted();
}

function stanzasOf(index: string): string[] {
  return parseDeb822(index).map(formatParagraph);
}

describe('Packages', () => {
  it('is what apt-ftparchive packages writes, field by field and byte by byte', async () => {
    const expected = stanzasOf(await ftparchive(['packages', 'pool']));
    expect(expected).toHaveLength(5);
    expect(sorted(await ourPackages())).toEqual(sorted(expected));
  });

  it('is so with short descriptions', async () => {
    const expected = await ftparchive(['-o', 'APT::FTPArchive::LongDescription=false', 'packages', 'pool']);
    expect(sorted(await ourPackages(true))).toEqual(sorted(stanzasOf(expected)));
  });
});

describe('Sources', () => {
  it('is what apt-ftparchive sources writes, field by field and byte by byte', async () => {
    // apt takes a source's priority from its binaries' overrides, so these are there too.
    const binaries = ['libquilt-sample1', 'quilt-sample-udeb', 'quilt-sample-doc'];
    const names = ['native-sample', 'old-native', 'old-sample', 'quilt-sample', ...binaries];
    const override = names.map((name) => `${name} ${ARCHIVE.priority} ${ARCHIVE.section}\n`).join('');
    await writeFile(path.join(root, 'override'), override);
    const expected = stanzasOf(await ftparchive(['sources', 'pool', 'override']));
    expect(expected).toHaveLength(4);
    expect(sorted(await ourSources())).toEqual(sorted(expected));
  });
});

/** A repository of our indexes, signed by our key. Returns apt's options for it. */
async function publish(validUntil: Date): Promise<string[]> {
  const dist = path.join(root, 'dists/demo');
  const indexes = [
    ['main/binary-amd64/Packages', (await ourPackages()).join('\n')],
    ['main/source/Sources', (await ourSources()).join('\n')],
  ] as const;
  for (const [name, text] of indexes) {
    await mkdir(path.dirname(path.join(dist, name)), { recursive: true });
    await writeFile(path.join(dist, name), text);
  }
  const files = await Promise.all(
    indexes.map(async ([name]) => ({ ...(await factsOf(`dists/demo/${name}`)), path: name })),
  );
  const key = await generateArchiveKey({
    name: 'Demo Archive',
    email: 'demo@example.org',
    now: new Date(),
  });
  const release = releaseFile({
    ...{ origin: 'Demo', label: 'Demo', suite: 'demo', codename: 'demo', date: new Date(), validUntil },
    ...{ architectures: ['amd64', 'all'], components: ['main'], description: 'für alle', files },
    ...{ acquireByHash: false, notAutomatic: true, butAutomaticUpgrades: true },
  });
  await writeFile(path.join(dist, 'InRelease'), await clearsign(release, key.armoredPrivate, new Date()));
  await writeFile(path.join(root, 'demo.gpg'), key.binaryPublic);
  return aptOptions();
}

/** apt with a state of its own and our repository alone. */
async function aptOptions(): Promise<string[]> {
  const state = path.join(root, 'apt');
  await rm(state, { recursive: true, force: true });
  await mkdir(path.join(state, 'lists/partial'), { recursive: true });
  await mkdir(path.join(state, 'empty'));
  await writeFile(path.join(state, 'status'), '');
  const line = `[signed-by=${root}/demo.gpg arch=amd64] file:${root} demo main`;
  await writeFile(path.join(state, 'sources.list'), `deb ${line}\ndeb-src ${line}\n`);
  const settings = {
    'Dir::Etc::SourceList': `${state}/sources.list`,
    'Dir::Etc::SourceParts': `${state}/empty`,
    'Dir::Etc::PreferencesParts': `${state}/empty`,
    'Dir::State': state,
    'Dir::State::status': `${state}/status`,
    'Dir::Cache': state,
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64',
    'APT::Sandbox::User': process.getuid?.() === 0 ? 'root' : '',
    'Acquire::Languages': 'none',
    'Acquire::Check-Date': 'true', // machines made from snapshots have both switched off
    'Acquire::Check-Valid-Until': 'true',
    'APT::Update::Error-Mode': 'any',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

async function apt(program: 'apt-get' | 'apt-cache', args: string[]): Promise<string> {
  const env = minimalEnvironment({ APT_CONFIG: '/dev/null' });
  return (await runChecked([program, ...args], { env })).stdout.toString('utf8');
}

describe('Release', () => {
  it('is taken by apt, which then knows every package and source', async () => {
    const options = await publish(new Date(Date.now() + 60 * 60 * 1000));
    await apt('apt-get', [...options, 'update']);
    const [shown] = parseDeb822(await apt('apt-cache', [...options, 'show', 'rich']));
    expect(shown?.get('SHA256')).toBe((await factsOf('pool/rich_1.0_all.deb')).sha256);
    const [source] = parseDeb822(await apt('apt-cache', [...options, 'showsrc', 'quilt-sample']));
    expect(source?.get('Directory')).toBe('pool/sources');
    const policy = await apt('apt-cache', [...options, 'policy']);
    expect(policy).toContain(`100 file:${root} demo/main amd64 Packages`);
    expect(policy).toContain('o=Demo,a=demo,n=demo,l=Demo');
  });

  it('is refused by apt after Valid-Until', async () => {
    const options = await publish(new Date(Date.now() - 60 * 60 * 1000));
    await expect(apt('apt-get', [...options, 'update'])).rejects.toThrow('expired');
  });
});
