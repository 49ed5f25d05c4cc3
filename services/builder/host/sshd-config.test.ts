import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runChecked } from '../../../shared/process/run.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import { sshdConfig } from './sshd-config.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder sshd 100%-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What sshd makes of the configuration, as `sshd -T` prints it: lower-case names. */
async function effective(isOther: boolean): Promise<string[]> {
  const { privateFile } = await ensureKeyPair(path.join(folder, 'key'), 'test');
  const account = { name: 'builds', uid: 1000, gid: 1000, home: '/srv', isOther };
  const keys = path.join(folder, 'authorized_keys');
  const settings = { host: '127.0.0.1', port: 2223, hostKeyFile: privateFile, authorizedKeysFile: keys };
  const file = path.join(folder, 'config');
  await writeFile(file, sshdConfig({ ...settings, account }));
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true });
  const { stdout } = await runChecked(['/usr/sbin/sshd', '-T', '-f', file]);
  return stdout.toString('utf8').split('\n');
}

test('sshd lets one user in with a key, and nothing else', async () => {
  const lines = await effective(true);
  for (const line of [
    'listenaddress 127.0.0.1:2223',
    'allowusers builds',
    'authenticationmethods publickey',
    'passwordauthentication no',
    'kbdinteractiveauthentication no',
    'hostbasedauthentication no',
    'permitrootlogin no',
    'usepam no',
    'disableforwarding yes',
    'permittty no',
    'permituserenvironment no',
    'strictmodes yes',
    'subsystem sftp internal-sftp',
    `hostkey ${path.join(folder, 'key')}`,
  ]) {
    expect(lines).toContain(line);
  }
  expect(lines.filter((line) => line.startsWith('listenaddress '))).toHaveLength(1);
});

test("a normal user's folders may lie anywhere", async () => {
  expect(await effective(false)).toContain('strictmodes no');
});
