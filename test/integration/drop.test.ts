/** drop as uploaders meet it: the real process, and the real scp, sftp and dput of Debian. */
import { createHash } from 'node:crypto';
import { chmod, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { minimalEnvironment, run, runChecked } from '../../shared/process/run.ts';
import { startDrop, type Drop } from './drop-harness.ts';

const MAX_FILE_BYTES = 1_000_000;
let drop: Drop;

beforeAll(async () => {
  drop = await startDrop({ maxFileBytes: MAX_FILE_BYTES, maxConnectionsPerLogin: 4 });
});
afterAll(() => drop.stop());

const names = (product = 'bookworm', login = 'sender'): Promise<string[]> =>
  readdir(drop.incoming(product, login)).catch(() => []);
const content = (name: string, product = 'bookworm', login = 'sender'): Promise<string> =>
  readFile(path.join(drop.incoming(product, login), name), 'utf8');

describe('scp', () => {
  test.each(['bookworm/one.txt', '/bookworm/two.txt', './bookworm//three.txt'])('to %s', async (target) => {
    expect(await drop.scp('sender', 'sender', ['hello.txt'], target)).toMatchObject({ code: 0 });
    expect(await content(path.basename(target))).toBe('hello\n');
  });

  test('several files into a product’s folder, with and without a slash, keeping times', async () => {
    for (const name of ['a.dsc', 'b.tar.xz', 'c.changes'])
      await writeFile(path.join(drop.client, name), name);
    for (const target of ['trixie', 'trixie/', '/trixie']) {
      const { code } = await drop.scp('sender', 'sender', ['a.dsc', 'b.tar.xz', 'c.changes'], target, ['-p']);
      expect(code).toBe(0);
    }
    expect(await names('trixie')).toEqual(['a.dsc', 'b.tar.xz', 'c.changes']);
    const { mode } = await stat(path.join(drop.incoming('trixie', 'sender'), 'a.dsc'));
    expect(mode & 0o137).toBe(0);
  });

  test('again with other content replaces the file, shorter too', async () => {
    await writeFile(path.join(drop.client, 'again.txt'), 'long content\n');
    await drop.scp('sender', 'sender', ['again.txt'], 'bookworm/');
    await writeFile(path.join(drop.client, 'again.txt'), 'short\n');
    expect(await drop.scp('sender', 'sender', ['again.txt'], 'bookworm/')).toMatchObject({ code: 0 });
    expect(await content('again.txt')).toBe('short\n');
  });

  test('a large file arrives byte for byte', async () => {
    const large = Buffer.alloc(MAX_FILE_BYTES, 'no repetition in 7');
    await writeFile(path.join(drop.client, 'large.bin'), large);
    expect(await drop.scp('sender', 'sender', ['large.bin'], 'bookworm/')).toMatchObject({ code: 0 });
    const arrived = await readFile(path.join(drop.incoming('bookworm', 'sender'), 'large.bin'));
    expect(arrived.equals(large)).toBe(true);
  });

  test('a file over the limit is refused with the reason, and leaves nothing', async () => {
    await writeFile(path.join(drop.client, 'too-large.bin'), Buffer.alloc(MAX_FILE_BYTES + 1));
    const { code, stderr } = await drop.scp('sender', 'sender', ['too-large.bin'], 'bookworm/');
    expect(code).not.toBe(0);
    expect(stderr.toString()).toContain('larger than the 1000000 bytes allowed');
    const left = await names();
    expect(left.filter((name) => name.startsWith('too-large'))).toEqual([]);
  });

  test.each([
    ['../x', 'leaves the upload area'],
    ['bookworm/../../x', 'leaves the upload area'],
    ['bookworm/../../../tmp/x', 'leaves the upload area'],
    ['/etc/x', 'There is no'],
    ['bookworm/deeper/x', 'is not there'],
    ['bookworm/.hidden', 'is not a name'],
    ['bookworm/x.partial', 'is not a name'],
    ['unknown/', 'Products: bookworm, trixie'],
    ['', 'upload into a product'],
  ])('to %j is refused and says why', async (target, reason) => {
    const before = await names();
    const { code, stderr } = await drop.scp('sender', 'sender', ['hello.txt'], target);
    expect(code).not.toBe(0);
    expect(stderr.toString()).toContain(reason);
    expect(await names()).toEqual(before);
    expect(await readdir(path.join(drop.home, 'incoming'))).toEqual(['bookworm', 'trixie']);
  });

  test('by the old protocol is told what to use', async () => {
    const { code, stderr } = await drop.scp('sender', 'sender', ['hello.txt'], 'bookworm/', ['-O']);
    expect(code).not.toBe(0);
    expect(stderr.toString()).toContain('leave out "scp -O"');
  });
});

describe('sftp', () => {
  test('cd, put, ls, rename, rm', async () => {
    const { code, stdout } = await drop.sftp('guest', 'guest', [
      'ls -1',
      'cd bookworm',
      'pwd',
      'put hello.txt hello.dsc.part',
      'rename hello.dsc.part hello.dsc',
      'put -p hello.txt other.txt',
      'chmod 600 other.txt',
      'rm other.txt',
      'ls -1',
    ]);
    expect(stdout.toString()).toContain('bookworm');
    expect(stdout.toString()).toContain('Remote working directory: /bookworm');
    expect(code).toBe(0);
    expect(await names('bookworm', 'guest')).toEqual(['hello.dsc']);
  });

  test.each([
    'get /bookworm/own.txt back.txt',
    'mkdir /new',
    'mkdir /bookworm/new',
    'rmdir /bookworm',
    'ln -s own.txt /bookworm/link',
    'ln /bookworm/own.txt /bookworm/link',
    'rename /bookworm/own.txt /trixie/own.txt',
    'rename /bookworm/own.txt /bookworm/own2.txt',
    'rename /bookworm/own.txt ../own.txt',
    'rm /bookworm/absent.txt',
    'cd ..',
    'chmod 777 /bookworm',
    'reput hello.txt /bookworm/own.txt',
  ])('%s is refused', async (command) => {
    const put = await drop.sftp('guest', 'guest', [
      'put hello.txt /trixie/x',
      'put hello.txt /bookworm/own.txt',
      'put hello.txt /bookworm/own2.txt',
    ]);
    expect(put.code).toBe(0);
    const before = [await names('bookworm', 'guest'), await names('trixie', 'guest')];
    expect((await drop.sftp('guest', 'guest', [command])).code).toBe(1);
    expect([await names('bookworm', 'guest'), await names('trixie', 'guest')]).toEqual(before);
  });

  test('nobody sees, replaces or removes what another login uploaded', async () => {
    await drop.scp('sender', 'sender', ['hello.txt'], 'bookworm/mine.txt');
    const list = await drop.sftp('guest', 'guest', ['ls -1 /bookworm']);
    expect(list.code).toBe(0);
    expect(list.stdout.toString()).not.toContain('mine.txt');
    expect((await drop.sftp('guest', 'guest', ['rm /bookworm/mine.txt'])).code).toBe(1);
    await writeFile(path.join(drop.client, 'of-guest.txt'), 'of guest\n');
    expect((await drop.scp('guest', 'guest', ['of-guest.txt'], 'bookworm/mine.txt')).code).toBe(0);
    expect(await content('mine.txt')).toBe('hello\n');
    expect(await content('mine.txt', 'bookworm', 'guest')).toBe('of guest\n');
  });
});

/** A tiny unsigned upload, as dpkg-buildpackage would leave it. */
async function writeChanges(): Promise<void> {
  const text = 'Format: 1.0\nSource: tiny\n';
  const sum = (algorithm: string): string => createHash(algorithm).update(text).digest('hex');
  const size = String(text.length);
  await writeFile(path.join(drop.client, 'tiny_1.0.dsc'), text);
  await chmod(path.join(drop.client, 'tiny_1.0.dsc'), 0o600); // makes dput run chmod over ssh
  const changes = [
    'Format: 1.8',
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
    'Source: tiny',
    'Architecture: source',
    'Version: 1.0',
    'Distribution: bookworm',
    'Urgency: medium',
    'Maintainer: Maintainer <maintainer@example.org>',
    'Changes:\n tiny (1.0) bookworm; urgency=medium',
    `Checksums-Sha1:\n ${sum('sha1')} ${size} tiny_1.0.dsc`,
    `Checksums-Sha256:\n ${sum('sha256')} ${size} tiny_1.0.dsc`,
    `Files:\n ${sum('md5')} ${size} misc optional tiny_1.0.dsc`,
  ];
  await writeFile(path.join(drop.client, 'tiny_1.0_source.changes'), `${changes.join('\n')}\n`);
}

describe('dput of Debian', () => {
  test('method scp uploads, the .changes last, and again with -f', async () => {
    await writeChanges();
    const options = drop.sshOptions('sender').filter((option) => option !== '-o');
    const stanza = [
      '[autobuilder]',
      'fqdn = 127.0.0.1',
      'method = scp',
      'login = sender',
      'incoming = bookworm/',
      'allow_unsigned_uploads = 1',
      'ssh_config_options =',
      ...options.map((option) => `    ${option}`),
    ];
    await writeFile(path.join(drop.client, 'dput.cf'), `${stanza.join('\n')}\n`);
    const dput = ['dput', '-u', '-c', 'dput.cf', 'autobuilder', 'tiny_1.0_source.changes'] as const;
    const inClient = { cwd: drop.client, env: drop.env };
    await runChecked([...dput], inClient);
    expect(await names()).toEqual(expect.arrayContaining(['tiny_1.0.dsc', 'tiny_1.0_source.changes']));
    const order = drop.log.filter((line) => line.msg === 'file complete').map((line) => line['file']);
    expect(order.slice(-2)).toEqual(['tiny_1.0.dsc', 'tiny_1.0_source.changes']);
    const again = await run([dput[0], '-f', ...dput.slice(1)], inClient);
    expect(again).toMatchObject({ code: 0 });
  });
});

describe('who gets in', () => {
  test('a wrong key, another’s key and an unknown login get the same answer', async () => {
    const answers = await Promise.all(
      [
        ['stranger', 'sender'],
        ['guest', 'sender'],
        ['stranger', 'nobody'],
        ['sender', 'nobody'],
      ].map(([key, login]) => drop.scp(key ?? '', login ?? '', ['hello.txt'], 'bookworm/stolen.txt')),
    );
    for (const { code, stderr } of answers) {
      expect(code).not.toBe(0);
      expect(stderr.toString().replace(/(sender|nobody)@/, '')).toContain('Permission denied (publickey).');
    }
    const told = answers.map(({ stderr }) => stderr.toString().replace(/(sender|nobody)@/, ''));
    expect(new Set(told).size).toBe(1);
    expect(await names()).not.toContain('stolen.txt');
  });

  test('a strong RSA key may, a short one and a password may not', async () => {
    for (const [name, bits] of [
      ['rsa-strong', '2048'],
      ['rsa-short', '1024'],
    ] as const) {
      await runChecked(
        ['ssh-keygen', '-q', '-t', 'rsa', '-b', bits, '-N', '', '-f', path.join(drop.client, name)],
        {},
      );
    }
    await drop.writeAccounts([
      { login: 'sender', sshKeys: [await drop.publicKey('sender')] },
      { login: 'guest', sshKeys: [await drop.publicKey('guest')] },
      { login: 'newcomer', sshKeys: [await drop.publicKey('rsa-short'), await drop.publicKey('rsa-strong')] },
    ]);
    expect((await drop.scp('rsa-strong', 'newcomer', ['hello.txt'], 'bookworm/')).code).toBe(0);
    const short = await drop.scp('rsa-short', 'newcomer', ['hello.txt'], 'bookworm/', [
      '-o',
      'RequiredRSASize=1024',
    ]);
    expect(short.code).not.toBe(0);
    expect(short.stderr.toString()).toContain('Permission denied (publickey)');
  });

  test('commands, a shell, forwarding and a terminal are not to be had', async () => {
    const ssh = (...args: string[]): ReturnType<typeof run> =>
      run(['ssh', ...drop.sshOptions('sender'), ...args], { env: minimalEnvironment({ HOME: drop.client }) });
    const shell = await ssh('sender@127.0.0.1');
    expect(shell.code).toBe(1);
    expect(shell.stderr.toString()).toContain('your key works');
    const command = await ssh('sender@127.0.0.1', 'id');
    expect(command.code).toBe(1);
    expect(command.stdout.toString()).toBe('');
    const forward = await ssh('-W', `127.0.0.1:${String(drop.httpPort)}`, 'sender@127.0.0.1');
    expect(forward.code).not.toBe(0);
    expect(forward.stderr.toString()).toContain('forwarding failed');
    const remote = await ssh(
      '-o',
      'ExitOnForwardFailure=yes',
      '-N',
      '-R',
      '0:127.0.0.1:1',
      'sender@127.0.0.1',
    );
    expect(remote.code).not.toBe(0);
    const terminal = await ssh('-tt', 'sender@127.0.0.1');
    expect(terminal.stderr.toString()).toContain('PTY allocation request failed');
  });
});
