/** The command line as people run it: real processes of bin/autobuilder and bin/buildme. */
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { utils } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyPassword } from '../../services/garage/accounts/accounts.ts';
import { holdBuildme } from '../../services/garage/buildme/single-instance.ts';
import { runCommandLine } from '../../bin/autobuilder.ts';
import { run } from '../../shared/process/run.ts';
import { openTestGarage } from '../support/garage.ts';
import { makeSigningKey } from '../support/source-package.ts';
import {
  addUploader,
  namesIn,
  PackageShelf,
  putFiles,
  signFile,
  type Uploader,
} from '../support/uploading.ts';
import { waitFor } from '../support/wait.ts';

const CHECKOUT = path.resolve(import.meta.dirname, '../..');
const garage = await openTestGarage({ garage: { url: 'https://garage.example.org' } });
const people = path.join(garage.home.root, 'people');
let maker: Uploader;

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

async function bin(name: string, args: string[], input = ''): Promise<Ended> {
  // Debian's old node comes first on the path: the launcher must not care.
  const env = { ...garage.env, PATH: '/usr/bin:/bin' };
  const result = await run([path.join(CHECKOUT, 'bin', name), ...args], { env, cwd: '/', input });
  return { code: result.code, out: result.stdout.toString(), err: result.stderr.toString() };
}
const cli = (...args: string[]): Promise<Ended> => bin('autobuilder', args);
const json = async (...args: string[]): Promise<unknown> => JSON.parse((await cli(...args, '--json')).out);

beforeAll(async () => {
  maker = await addUploader(garage, 'maker');
  await mkdir(people, { recursive: true });
});
afterAll(() => garage.dispose());

describe('accounts', () => {
  test('are made with keys and password from files, and answered with a dput stanza', async () => {
    const files = { ssh: path.join(people, 'guest.pub'), gpg: path.join(people, 'guest.asc') };
    await writeFile(files.ssh, `${utils.generateKeyPairSync('ed25519').public} guest@laptop\n`);
    await writeFile(files.gpg, (await makeSigningKey('guest@example.org')).publicKey);
    const args = ['account', 'add', 'guest', '--email', 'guest@example.org', '--admin', '--password-stdin'];
    const added = await bin(
      'autobuilder',
      [...args, '--ssh-key', files.ssh, '--openpgp-key', files.gpg],
      'a password of guest\n',
    );
    expect(added).toMatchObject({ code: 0 });
    expect(added.out).toContain('[autobuilder-bookworm]\nmethod = scp\n');
    expect(added.out).toContain('login = guest\n');
    expect(await verifyPassword(garage, 'guest', 'a password of guest')).toMatchObject({ admin: true });
    expect(await json('account', 'list')).toMatchObject([
      { login: 'guest', hasPassword: true },
      { login: 'maker' },
    ]);
    expect(await cli('account', 'disable', 'guest')).toMatchObject({ code: 0, out: '', err: '' });
    expect((await cli('account', 'list')).out).toMatch(/^guest +guest@example\.org +yes +yes +yes +1 +1$/m);
    const snapshot = await readFile(path.join(garage.home.drop, 'accounts.json'), 'utf8');
    expect(snapshot).toContain('"maker"');
    expect(snapshot).not.toContain('"guest"');
  });

  test.each([
    [
      ['account', 'add', 'maker', '--email', 'a@example.org'],
      1,
      /^error: There is an account 'maker' already\nhint: .+\n$/,
    ],
    [
      ['account', 'add', 'newcomer', '--email', 'c@example.org', '--ssh-key', '/nonexistent'],
      1,
      /^error: Cannot read '\/nonexistent' \(ENOENT\)\n$/,
    ],
    [['account', 'disable', 'nobody'], 1, /^error: There is no account 'nobody'\nhint: .+\n$/],
    [['account', 'password', 'maker'], 1, /^error: There is no password\nhint: .+\n$/],
    [['account', 'add', 'newcomer'], 2, /^error: required option '--email/],
    [['acount', 'list'], 2, /^error: unknown command 'acount'/],
    [['upload', 'show', 'zzzz'], 1, /^error: 'zzzz' is not an upload's id\n$/],
    [['build', 'retry', '999'], 1, /^error: There is no build 999\n$/],
    [
      ['queue', 'show', 'nowhere'],
      1,
      /^error: There is no queue 'nowhere'\nhint: Known: devel, testing, stable\n$/,
    ],
    [['upload', 'list', '--limit', 'all'], 1, /^error: --limit is a number/],
    [
      ['promote', 'hello', '--from', 'testing', '--to', 'devel'],
      1,
      /^error: 'devel' does not come after 'testing'\n/,
    ],
  ])('%j ends with %i and says why', async (args, code, message) => {
    // In this process, for speed; the others here show that the launcher passes all of it on.
    Object.assign(process.env, garage.env);
    const said = { out: '', err: '' };
    const output = {
      out: (text: string) => void (said.out += text),
      err: (text: string) => void (said.err += text),
    };
    expect(await runCommandLine(args, output)).toBe(code);
    expect(said.out).toBe('');
    expect(said.err).toMatch(message);
  });
});

describe('uploads', () => {
  test('buildme by hand takes them, builds nothing without a host, sends mail, and says the truth', async () => {
    const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
    expect(await bin('buildme', [])).toEqual({ code: 0, out: '', err: '' });
    const good = await shelf.take('greeter');
    await signFile(good, maker);
    await putFiles(garage, 'maker', good);
    const accepted = await bin('buildme', []);
    expect(accepted).toMatchObject({ code: 0, err: '' });
    expect(accepted.out).toMatch(
      /^>>>> .*greeter_1\.0-1_source\.changes\n\[.*\] ACCEPTED: greeter 1\.0-1 for bookworm\n$/,
    );
    await putFiles(garage, 'maker', await shelf.take('greeter', '2.0-1'));
    const rejected = await bin('buildme', []);
    expect(rejected).toMatchObject({ code: 1, err: '' });
    expect(rejected.out).toMatch(/^>>>> .*\n\[.*\] REJECTED: "\.changes is not signed\."\n$/);
    expect(await namesIn(garage.home.mail)).toHaveLength(2);
  });

  test('a second buildme says who has the first, and leaves', async () => {
    const held = await holdBuildme(garage);
    const second = await bin('buildme', ['--no-build']);
    expect(second).toMatchObject({ code: 3, err: '' });
    expect(second.out).toContain(`pid ${String(process.pid)}`);
    if (held.kind === 'held') await held.release();
    expect(await bin('buildme', ['--what'])).toMatchObject({ code: 2 });
  });

  test('are listed and shown with their sources and builds', async () => {
    const uploads = (await json('upload', 'list', '--status', 'rejected')) as { id: string }[];
    expect(uploads).toMatchObject([
      { login: 'maker', status: 'rejected', reason: '.changes is not signed.' },
    ]);
    const shown = await cli('upload', 'show', uploads[0]!.id.slice(0, 8));
    expect(shown.out).toMatch(/^hint +Sign it with debsign/m);
    expect((await cli('upload', 'list')).out.split('\n')).toHaveLength(4);
    expect(await json('source', 'list')).toMatchObject([
      { source: 'greeter', version: '1.0-1', product: 'bookworm' },
    ]);
    const builds = (await json('build', 'list')) as { id: string }[];
    expect(builds).toMatchObject([{ source: 'greeter', architecture: 'amd64', status: 'needs-build' }]);
    const build = builds[0]!.id;
    expect((await cli('build', 'show', build)).out).toContain('It was not tried yet\n');
    expect(await cli('build', 'retry', build)).toMatchObject({
      code: 1,
      err: expect.stringContaining('needs-build') as string,
    });
    await garage.pool.query("update builds set status = 'attempted', given_back = 2");
    expect(await cli('build', 'retry', build)).toMatchObject({ code: 0 });
    expect(await json('build', 'show', build)).toMatchObject({
      status: 'needs-build',
      givenBack: 0,
      attempts: [],
    });
    expect(await cli('build', 'log', build)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no attempt') as string,
    });
  });
});

describe('queues and orders', () => {
  test('are listed; a promotion is an order, and --wait tells how it ended', async () => {
    expect(await json('queue', 'list')).toMatchObject([
      { queue: 'devel' },
      { queue: 'testing' },
      { queue: 'stable' },
    ]);
    expect(await cli('queue', 'show', 'devel')).toMatchObject({
      code: 0,
      out: 'devel holds nothing for bookworm\n',
    });
    const args = ['promote', 'greeter', '--from', 'devel', '--to', 'testing'];
    expect(await cli(...args)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^order \d+: .* is requested\n$/) as string,
    });
    expect(await cli(...args, '--wait', '--timeout', '0.1')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/still requested/) as string,
    });
    await garage.pool.query(
      "update repository.orders set status = 'refused', reason_code = 'not-there', reason = 'greeter is not in devel'",
    );
    expect(await json('order', 'list')).toMatchObject([
      { source: 'greeter', status: 'refused', requestedBy: null },
    ]);
    const waiting = cli(...args, '--as', 'maker', '--wait');
    const refuse = async (): Promise<boolean> => {
      const sql =
        "update repository.orders set status = 'refused', reason = 'You do not maintain it' where status = 'requested'";
      return (await garage.pool.query(sql)).rowCount === 1;
    };
    await waitFor('the order', refuse);
    expect(await waiting).toEqual({ code: 1, out: '', err: 'error: You do not maintain it\n' });
    expect(await cli(...args, '--as', 'nobody')).toMatchObject({ code: 1 });
    expect(await json('host', 'list')).toEqual([]);
  });
});

describe('how-tos and configuration', () => {
  test('are printed ready to use', async () => {
    const stanza = await cli('howto', 'upload', '--login', 'maker', '--dput');
    expect(stanza.out).toMatch(/^\[autobuilder-bookworm\]\n(.+\n)*login = maker\n/);
    expect((await cli('howto', 'install', '--queue', 'devel')).out).toContain('Signed-By: ');
    expect((await cli('config', 'check')).out).toContain('autobuilder.yaml: ok\n');
  });

  test('a wrong configuration of any service ends with file and line', async () => {
    const file = path.join(people, 'wrong.yaml');
    await writeFile(file, 'name: Test\ngarage:\n  shedule: "* * * * *"\nrepository:\n  md6: true\n');
    const result = await run([path.join(CHECKOUT, 'bin/autobuilder'), 'config', 'check'], {
      env: { ...garage.env, AUTOBUILDER_CONFIG: file },
    });
    expect(result.code).toBe(1);
    expect(result.stderr.toString()).toContain(
      `${file}:3: unknown key 'garage.shedule'; did you mean 'schedule'?`,
    );
    expect(result.stderr.toString()).toContain(`${file}:5: unknown key 'repository.md6'`);
  });
});

describe('the launcher', () => {
  test('works through a link, and says what to do where the packages are missing', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-launcher-'));
    try {
      const link = path.join(folder, 'autobuilder');
      await symlink(path.join(CHECKOUT, 'bin/autobuilder'), link);
      expect((await run([link, '--help'], { env: garage.env })).code).toBe(0);
      await mkdir(path.join(folder, 'bin'));
      for (const name of ['autobuilder', 'buildme']) {
        const copy = path.join(folder, 'bin', name);
        await copyFile(path.join(CHECKOUT, 'bin', name), copy);
        expect((await stat(copy)).mode & 0o111).not.toBe(0);
        const result = await run([copy, '--help'], { env: garage.env });
        expect(result.code).toBe(1);
        expect(result.stderr.toString()).toMatch(
          /^error: the npm packages of .* are not installed\nhint: run: npm ci/,
        );
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
