/** Files on a host that change while they are read, over a real sshd. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectSsh, type SshConnection } from '../../shared/ssh/client.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { pushFile, readSmallFile } from '../../shared/ssh/remote-files.ts';
import { makeNamespaceHosts, type NamespaceHosts } from '../support/namespaces.ts';

let folder: string;
let set: NamespaceHosts;
let reader: SshConnection;
let writer: SshConnection;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-keys-'));
  const key = await ensureKeyPair(path.join(folder, 'key'), 'test');
  const privateKey = await readFile(key.privateFile, 'utf8');
  set = await makeNamespaceHosts(1, { authorizedKey: key.publicKey });
  const { address, port, username, hostKey } = set.hosts[0]!;
  const target = { address, port, username, hostKey, privateKey };
  [reader, writer] = [await connectSsh(target), await connectSsh(target)];
});
afterAll(async () => {
  reader?.close();
  writer?.close();
  await set?.dispose();
  await rm(folder, { recursive: true, force: true });
});

test('a file that is replaced whole again and again is always read whole', async () => {
  const file = `${set.hosts[0]!.workdir}/status.json`;
  const texts = ['short', 'a text that is much longer than the other', '', 'x'.repeat(100_000)];
  const [from, to] = [await reader.files(), await writer.files()];
  await pushFile(to, Buffer.from(texts[0]!), file);
  const written = new AbortController();
  const writing = (async () => {
    for (let number = 0; number < 200; number += 1) await pushFile(to, Buffer.from(texts[number % 4]!), file);
    written.abort();
  })();
  let reads = 0;
  while (!written.signal.aborted) {
    expect(texts).toContain((await readSmallFile(from, file, 200_000))?.toString('utf8'));
    reads += 1;
  }
  await writing;
  expect(reads).toBeGreaterThan(20);
  await expect(readSmallFile(from, file, 1_000)).rejects.toThrow('100000 bytes, 1000 may be');
});
