import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectSsh, type SshConnection } from '../../shared/ssh/client.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { makeNamespaceHosts, type NamespaceHost, type NamespaceHosts } from './namespaces.ts';
import { waitFor } from './wait.ts';

let folder: string;
let set: NamespaceHosts;
let privateKey: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-keys-'));
  const key = await ensureKeyPair(path.join(folder, 'key'), 'test');
  privateKey = await readFile(key.privateFile, 'utf8');
  set = await makeNamespaceHosts(2, { authorizedKey: key.publicKey, diskBytes: 4 * 1024 * 1024 });
});
afterAll(async () => {
  await set?.dispose();
  await rm(folder, { recursive: true, force: true });
});

const login = (host: NamespaceHost): Promise<SshConnection> => connectSsh({ ...hostOf(host), privateKey });
const hostOf = ({ address, port, username, hostKey }: NamespaceHost) => ({
  address,
  port,
  username,
  hostKey,
});

test('each is a host of its own with an address, a key and a disk', async () => {
  for (const host of set.hosts) {
    const connection = await login(host);
    const file = `${host.workdir}/full`;
    expect((await connection.exec(['touch', file])).code).toBe(0);
    const { code, stderr } = await connection.exec(['dd', 'if=/dev/zero', `of=${file}`, 'bs=1M', 'count=16']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('No space left')]);
    connection.close();
  }
});

test('a cut link is silent, and a connection that was quiet meanwhile goes on', async () => {
  const [host] = set.hosts as [NamespaceHost];
  const connection = await login(host);
  await host.cut();
  const waiting = connection.exec(['true']);
  await expect(Promise.race([waiting, login(host).then(String, () => 'no login')])).resolves.toBe('no login');
  await host.restore();
  expect((await waiting).code).toBe(0);
  connection.close();
});

test('sshd can be killed and started again; a crash ends everything on one host only', async () => {
  const [host, other] = set.hosts as [NamespaceHost, NamespaceHost];
  const [connection, unharmed] = [await login(host), await login(other)];
  await host.killSshd();
  await waitFor('the connection to break', () => connection.isClosed());
  await expect(login(host)).rejects.toThrow('No SSH connection');
  await host.startSshd();
  (await login(host)).close();
  const running = unharmed.exec(['true']);
  await host.crash();
  expect(await host.processes()).toEqual([]);
  expect((await running).code).toBe(0);
  unharmed.close();
});
