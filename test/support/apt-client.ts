/** A private apt, as on a client machine: its own sources, lists and cache below one folder. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment, run, type RunResult } from '../../shared/process/run.ts';

export interface AptClient {
  root: string;
  /** Runs apt-get, apt-cache and the like against this client's state. */
  apt(program: string, ...args: string[]): Promise<RunResult>;
}

/** Knows one repository only, trusted by `keyring` alone. */
export async function makeAptClient(
  root: string,
  source: { uri: string; suite: string; keyring: string },
): Promise<AptClient> {
  for (const part of [
    'etc/sources.list.d',
    'etc/preferences.d',
    'etc/apt.conf.d',
    'state/lists/partial',
    'cache/archives/partial',
  ]) {
    await mkdir(path.join(root, part), { recursive: true });
  }
  await chmod(root, 0o755);
  const stanza = `Types: deb deb-src\nURIs: ${source.uri}\nSuites: ${source.suite}\nComponents: main\nSigned-By: ${source.keyring}\n`;
  await writeFile(path.join(root, 'etc/sources.list.d/test.sources'), stanza);
  await writeFile(path.join(root, 'status'), '');
  const configuration = path.join(root, 'apt.conf');
  const lines = [
    `Dir::Etc "${root}/etc";`,
    `Dir::State "${root}/state";`,
    `Dir::State::status "${root}/status";`,
    `Dir::Cache "${root}/cache";`,
    'APT::Sandbox::User "";',
    'Acquire::Languages "none";',
    'APT::Update::Error-Mode "any";',
  ];
  await writeFile(configuration, `${lines.join('\n')}\n`);
  return {
    root,
    apt: (program, ...args) =>
      run([program, ...args], {
        env: minimalEnvironment({ APT_CONFIG: configuration, LC_ALL: 'C.UTF-8' }),
        cwd: root,
      }),
  };
}
