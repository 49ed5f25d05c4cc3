/** Real clients read live with Signed-By alone: apt and its tools, apt-file, mmdebstrap, debmirror. */
import { copyFile, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDeb822 } from '../../shared/debian/deb822.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { minimalEnvironment, run } from '../../shared/process/run.ts';
import { ClientRoot } from './client-root.ts';
import { openPublished, type Published } from './published.ts';
import { readIndex } from '../support/read-index.ts';

let live: Published;
let count = 0;

beforeAll(async () => {
  live = await openPublished();
  await live.publish(
    {
      source: 'tool',
      binaries: [
        { name: 'tool', architecture: 'amd64', fields: { Depends: 'tool-data (= 1.0)' } },
        { name: 'tool-data', architecture: 'all' },
      ],
    },
    { source: 'other', version: '2.0~x+b' },
  );
});
afterAll(() => live.close());

/** A client of devel. */
function client(settings: Record<string, string> = {}, uri = `${live.url}/devel`): Promise<ClientRoot> {
  count += 1;
  const root = path.join(live.repository.home.root, `client-${String(count)}`);
  return ClientRoot.make(root, { uri, suite: 'bookworm', signedBy: live.key }, settings);
}

/** Index files that were asked for since the last call. */
function askedIndexes(): string[] {
  return live.requests.splice(0).filter((url) => /\/dists\/.*\/(?:Packages|Sources|by-hash)/.test(url));
}

describe('apt', () => {
  test('updates, installs for real with dependencies, shows and removes', async () => {
    const own = await client();
    expect((await own.run('apt-get', 'update')).stderr.toString()).toBe('');
    await own.output('apt-get', 'install', 'tool');
    const installed = await own.output(
      'dpkg-query',
      '--show',
      '--showformat',
      '${Package} ${db:Status-Status}\n',
    );
    expect(installed).toBe('tool installed\ntool-data installed\n');
    const file = path.join(own.root, 'usr/share/doc/tool/content');
    expect(await readFile(file, 'utf8')).toBe('same');
    await own.output('apt-get', 'remove', 'tool');
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  test('fetches a source whose sums and signature chain hold', async () => {
    const own = await client();
    await own.output('apt-get', 'update');
    await own.output('apt-get', 'source', '--download-only', 'other');
    expect((await readdir(own.root)).filter((name) => name.startsWith('other_2.0'))).toHaveLength(2);
  });

  test('answers apt-cache show, policy, madison, search, showsrc and depends', async () => {
    const own = await client();
    await own.output('apt-get', 'update');
    expect(await own.output('apt-cache', 'show', 'tool')).toContain('Depends: tool-data (= 1.0)');
    expect(await own.output('apt-cache', 'policy', 'tool')).toMatch(
      /100 http.*\/devel bookworm\/main amd64 Packages/,
    );
    expect(await own.output('apt-cache', 'madison', 'other')).toMatch(/other \| +2\.0~x\+b \| .* Sources/);
    expect(await own.output('apt-cache', 'search', 'a test')).toContain('tool-data - a test');
    expect(await own.output('apt-cache', 'showsrc', 'tool')).toContain('Package-List:');
    expect(await own.output('apt-cache', 'depends', 'tool')).toContain('Depends: tool-data');
  });

  test.each(['xz', 'gz', 'zst'])('reads indexes as .%s, by their sums', async (form) => {
    const own = await client({ 'Acquire::CompressionTypes::Order::': form, 'Acquire::By-Hash': 'force' });
    askedIndexes();
    await own.output('apt-get', 'update');
    const asked = askedIndexes();
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.filter((url) => !url.includes('/by-hash/SHA256/'))).toEqual([]);
    expect(await own.output('apt-cache', 'show', 'tool-data')).toContain('Architecture: all');
  });

  test.each(['xz', 'gz', 'zst'])('reads indexes as .%s, by their names', async (form) => {
    const own = await client({ 'Acquire::CompressionTypes::Order::': form, 'Acquire::By-Hash': 'no' });
    askedIndexes();
    await own.output('apt-get', 'update');
    const asked = askedIndexes();
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.filter((url) => !url.endsWith(`.${form}`))).toEqual([]);
    expect(await own.output('apt-cache', 'show', 'tool-data')).toContain('Architecture: all');
  });

  test('reads a live of this machine as files', async () => {
    const own = await client({}, `file://${live.repository.home.live}/devel`);
    await own.output('apt-get', 'update');
    await own.output('apt-get', 'install', 'tool');
    expect((await stat(path.join(own.root, 'usr/share/doc/tool-data/content'))).size).toBe(4);
  });

  test('trusts nobody else', async () => {
    count += 1;
    const wrong = path.join(live.repository.home.root, 'wrong.gpg');
    await copyFile('/usr/share/keyrings/debian-archive-keyring.gpg', wrong);
    const root = path.join(live.repository.home.root, `client-${String(count)}`);
    const own = await ClientRoot.make(root, { uri: `${live.url}/devel`, suite: 'bookworm', signedBy: wrong });
    const { code, stderr } = await own.run('apt-get', 'update');
    expect(code).not.toBe(0);
    expect(stderr.toString()).toContain('NO_PUBKEY');
  });

  test('sees the next version at the next update', async () => {
    const own = await client();
    await own.output('apt-get', 'update');
    await own.output('apt-get', 'install', 'other');
    await live.publish({ source: 'other', version: '3.0' });
    await own.output('apt-get', 'update');
    await own.output('apt-get', 'dist-upgrade');
    expect(await own.output('dpkg-query', '--show', 'other')).toBe('other\t3.0\n');
  });
});

describe('apt-file', () => {
  test('finds files and lists packages', async () => {
    const own = await client();
    await own.output('apt-file', 'update');
    expect(await own.output('apt-file', 'search', 'doc/tool-data/content')).toContain(
      'tool-data: /usr/share/doc/',
    );
    expect(await own.output('apt-file', 'list', 'tool')).toContain('tool: /usr/share/doc/tool/content');
  });
});

describe('mmdebstrap', () => {
  test('makes a system from live alone', async () => {
    const folder = path.join(live.repository.home.root, 'system');
    const line = `deb [signed-by=${live.key}] ${live.url}/devel bookworm main`;
    const options = ['--variant=extract', '--mode=root', '--architectures=amd64', '--include=tool'];
    const made = await run(['mmdebstrap', ...options, 'bookworm', folder, line], { timeoutMs: 120_000 });
    expect(made.stderr.toString()).not.toMatch(/^E:/m);
    expect(made.code).toBe(0);
    expect(await readFile(path.join(folder, 'usr/share/doc/tool-data/content'), 'utf8')).toBe('same');
    await rm(folder, { recursive: true });
  });
});

/** Debian's own mirror script on live; what it says, once it has said that all went well. */
async function debmirror(folder: string): Promise<string> {
  const configuration = `${folder}.conf`; // in place of the machine's
  await writeFile(configuration, '1;\n');
  const options = [
    ...['--method=http', `--host=${new URL(live.url).host}`, '--root=devel', '--dist=bookworm'],
    ...['--section=main', '--arch=amd64,i386', '--source', '--getcontents', '--i18n', '--diff=none'],
    ...['--rsync-extra=none', '--checksums', `--keyring=${live.key}`, `--config-file=${configuration}`],
  ];
  const env = minimalEnvironment({ HOME: live.repository.home.root });
  const { code, stdout, stderr } = await run(['debmirror', folder, ...options], { env, timeoutMs: 120_000 });
  const text = `${stdout.toString()}${stderr.toString()}`;
  if (code === 0) return text;
  throw new Error(`debmirror ended with ${String(code)}: ${text}`);
}

describe('debmirror', () => {
  test('mirrors live whole, and fetches nothing twice; apt installs from what it made', async () => {
    const folder = path.join(live.repository.home.root, 'debmirror');
    expect(await debmirror(folder)).not.toMatch(/error|failed to download|missing/i);
    const packages = await readIndex(path.join(folder, 'dists/bookworm/main/binary-amd64/Packages.gz'));
    const stanzas = parseDeb822(packages);
    expect(stanzas.map((each) => each.require('Package'))).toContain('tool');
    for (const stanza of stanzas) {
      const { sums } = await hashFile(path.join(folder, stanza.require('Filename')), ['sha256']);
      expect(sums['sha256']).toBe(stanza.require('SHA256'));
    }
    live.requests.splice(0);
    await debmirror(folder);
    expect(live.requests.filter((url) => url.includes('/pool/'))).toEqual([]);
    const own = await client({}, `file://${folder}`);
    await own.output('apt-get', 'update');
    await own.output('apt-get', 'install', 'tool');
  });
});
