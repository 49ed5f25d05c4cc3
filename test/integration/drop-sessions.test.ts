/** drop's sessions as a client that speaks SFTP by itself meets them: limits, broken uploads, the end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import ssh2, { type Client, type SFTPWrapper } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait.ts';
import { startDrop, type Drop } from './drop-harness.ts';

let drop: Drop;

beforeAll(async () => {
  drop = await startDrop({ maxFileBytes: 1_000_000, maxConnectionsPerLogin: 4 });
});
afterAll(() => drop.stop());

const names = (): Promise<string[]> => readdir(drop.incoming('bookworm', 'sender')).catch(() => []);
const content = (name: string): Promise<string> =>
  readFile(path.join(drop.incoming('bookworm', 'sender'), name), 'utf8');

describe('a login', () => {
  test('an account that is disabled in the middle of a session uploads nothing more', async () => {
    const client = await connect('guest');
    const sftp = await openSftp(client);
    await drop.writeAccounts([{ login: 'sender', sshKeys: [await drop.publicKey('sender')] }]);
    await expect(openFile(sftp, '/bookworm/late.txt')).rejects.toThrow('may not upload any more');
    client.end();
    await drop.writeAccounts([
      { login: 'sender', sshKeys: [await drop.publicKey('sender')] },
      { login: 'guest', sshKeys: [await drop.publicKey('guest')] },
    ]);
  });

  test('one login has a limited number of connections', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect('guest')));
    await expect(connect('guest')).rejects.toThrow('authentication methods failed');
    expect((await drop.scp('sender', 'sender', ['hello.txt'], 'bookworm/')).code).toBe(0);
    for (const client of clients) client.end();
    await waitFor('a connection is free again', () =>
      connect('guest').then(
        (client) => client.end(),
        () => false,
      ),
    );
  });
});

describe('uploads that do not end well', () => {
  test('a client killed in the middle leaves nothing', async () => {
    await writeFile(path.join(drop.client, 'large.bin'), Buffer.alloc(1_000_000, 'large'));
    const child = spawn('sftp', ['-l', '800', ...drop.sshOptions('sender'), '-b', '-', 'sender@127.0.0.1'], {
      cwd: drop.client,
      env: drop.env,
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    child.stdin.end('put large.bin /bookworm/killed.bin\n');
    await waitFor('it arrives', async () => (await names()).includes('killed.bin.partial'));
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await once(child, 'exit');
    await waitFor('it is cleaned up', async () => !(await names()).includes('killed.bin.partial'));
    expect(await names()).not.toContain('killed.bin');
  });

  test('a session that ends without closing the file leaves nothing', async () => {
    const client = await connect('sender');
    const sftp = await openSftp(client);
    const handle = await openFile(sftp, '/bookworm/unclosed.txt');
    await writeAt(sftp, handle, 0, 'whole, it seems');
    expect(await names()).toContain('unclosed.txt.partial');
    sftp.end();
    await waitFor(
      'it is cleaned up',
      async () => !(await names()).some((name) => name.startsWith('unclosed')),
    );
    client.end();
  });

  test('pieces may come out of order, but a file with a hole is refused', async () => {
    const client = await connect('sender');
    const sftp = await openSftp(client);
    const good = await openFile(sftp, '/bookworm/pieces.txt');
    await writeAt(sftp, good, 6, 'world');
    await writeAt(sftp, good, 0, 'hello ');
    await closeFile(sftp, good);
    expect(await content('pieces.txt')).toBe('hello world');
    const bad = await openFile(sftp, '/bookworm/hole.txt');
    await writeAt(sftp, bad, 10, 'end');
    await expect(closeFile(sftp, bad)).rejects.toThrow('were never written');
    const far = await openFile(sftp, '/bookworm/far.txt');
    await expect(writeAt(sftp, far, 2 ** 45, 'x')).rejects.toThrow('larger than');
    await expect(closeFile(sftp, far)).rejects.toThrow('larger than');
    expect((await names()).filter((name) => /^(hole|far)/.test(name))).toEqual([]);
    client.end();
  });

  test('a client that does not wait for answers is slowed down, not refused', async () => {
    const client = await connect('sender');
    const sftp = await openSftp(client);
    const handle = await openFile(sftp, '/bookworm/flood.txt');
    const piece = 'x'.repeat(30_000);
    // Beyond the bytes and the requests that drop lets one connection have under way.
    const writes = Array.from({ length: 1000 }, () => writeAt(sftp, handle, 0, piece));
    await Promise.all(writes);
    await closeFile(sftp, handle);
    expect(await content('flood.txt')).toBe(piece);
    client.end();
  });

  test('two connections cannot write one file at once', async () => {
    const clients = [await connect('sender'), await connect('sender')] as const;
    const first = await openSftp(clients[0]);
    const second = await openSftp(clients[1]);
    const handle = await openFile(first, '/bookworm/both.txt');
    await expect(openFile(second, '/bookworm/both.txt')).rejects.toThrow(
      'being uploaded by another connection',
    );
    await writeAt(first, handle, 0, 'first');
    await closeFile(first, handle);
    const later = await openFile(second, '/bookworm/both.txt');
    await closeFile(second, later);
    expect(await content('both.txt')).toBe('');
    for (const client of clients) client.end();
  });

  test('a session cannot hold files without end', async () => {
    const client = await connect('sender');
    const sftp = await openSftp(client);
    const opened = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) => openFile(sftp, `/bookworm/many-${String(index)}`)),
    );
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(32);
    client.end();
    await waitFor(
      'they are cleaned up',
      async () => !(await names()).some((name) => name.startsWith('many-')),
    );
  });
});

test('health and metrics', async () => {
  const base = `http://127.0.0.1:${String(drop.httpPort)}`;
  const health = await fetch(`${base}/healthz`);
  expect([health.status, await health.json()]).toEqual([
    200,
    { status: 'ok', accountsWrittenAt: '2026-01-01T00:00:00Z' },
  ]);
  const metrics = await (await fetch(`${base}/metrics`)).text();
  expect(metrics).toMatch(/drop_uploads_total\{result="complete"\} [1-9]/);
  expect(metrics).toMatch(/drop_open_uploads 0/);
});

describe('drop ends', () => {
  test('within five seconds on SIGTERM, refusing new and giving up what is unfinished', async () => {
    const client = await connect('sender');
    const sftp = await openSftp(client);
    await openFile(sftp, '/bookworm/unfinished.txt');
    const idle = await connect('guest');
    const started = Date.now();
    drop.process.kill('SIGTERM');
    const [code] = (await once(drop.process, 'exit')) as [number];
    expect(code).toBe(0);
    expect(Date.now() - started).toBeLessThan(5000);
    expect((await names()).filter((name) => name.endsWith('.partial'))).toEqual([]);
    for (const one of [client, idle]) one.destroy();
  });
});

async function connect(login: string): Promise<Client> {
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  const privateKey = await readFile(path.join(drop.client, login));
  await new Promise<void>((resolve, reject) => {
    client
      .once('ready', resolve)
      .once('error', reject)
      .once('close', () => reject(new Error('closed')));
    client.connect({ host: '127.0.0.1', port: drop.port, username: login, privateKey });
  });
  return client;
}

type Callback<T> = (error: Error | null | undefined, value: T) => void;
const promised = <T>(call: (done: Callback<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));

const openSftp = (client: Client): Promise<SFTPWrapper> =>
  promised((done) => client.sftp((error, sftp) => done(error, sftp)));
const openFile = (sftp: SFTPWrapper, name: string): Promise<Buffer> =>
  promised((done) => sftp.open(name, 'w', done));
const writeAt = (sftp: SFTPWrapper, handle: Buffer, position: number, text: string): Promise<unknown> =>
  promised((done) =>
    sftp.write(handle, Buffer.from(text), 0, text.length, position, (error) => done(error, null)),
  );
const closeFile = (sftp: SFTPWrapper, handle: Buffer): Promise<unknown> =>
  promised((done) => sftp.close(handle, (error) => done(error, null)));
