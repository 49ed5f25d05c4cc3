/** The upload as an uploader does it: Debian's dput with the stanza that `howto upload` prints. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { homeFolders } from '../../../shared/config/home.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';
import { DEMO_LOGIN, type DemoAccount } from './account.ts';
import { autobuilder } from './cli.ts';

/** Sends `changes` and what it lists. `home` becomes dput's and ssh's home, with the demo's key only. */
export async function upload(
  changes: string,
  product: string,
  account: DemoAccount,
  home: string,
): Promise<void> {
  const ssh = path.join(home, '.ssh');
  await mkdir(ssh, { recursive: true, mode: 0o700 });
  const stanza = await autobuilder([
    'howto',
    'upload',
    '--login',
    DEMO_LOGIN,
    '--product',
    product,
    '--dput',
  ]);
  const hostKey = await readFile(path.join(homeFolders().drop, 'ssh_host_ed25519_key.pub'), 'utf8');
  const knownHosts = path.join(ssh, 'known_hosts');
  await writeFile(knownHosts, `* ${hostKey}`);
  const config = path.join(home, 'dput.cf');
  await writeFile(
    config,
    `${stanza.trimEnd()}\n    IdentityFile=${account.sshPrivateFile}\n    IdentitiesOnly=yes\n    UserKnownHostsFile=${knownHosts}\n`,
  );
  // -u: the demo's key is in no keyring of this machine; garage verifies the signature.
  await runChecked(['dput', '-u', '-c', config, `autobuilder-${product}`, changes], {
    cwd: path.dirname(changes),
    env: minimalEnvironment({ HOME: home }),
  });
}
