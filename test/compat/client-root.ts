/**
 * A client machine in a folder: its own apt configuration, lists and dpkg database, and nothing that it trusts but what its
 * source says. apt and dpkg are the machine's, or, in a system of another release, that system's own.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment, run, type RunResult } from '../../shared/process/run.ts';

export interface ClientSource {
  uri: string;
  suite: string;
  components?: string;
  /** Path of the key's file. */
  signedBy: string;
}

/** A deb822 source, as docs and pages give it. */
export function sourcesText({ uri, suite, components = 'main', signedBy }: ClientSource): string {
  return `Types: deb deb-src\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components}\nSigned-By: ${signedBy}\n`;
}

export class ClientRoot {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Makes the folder; `settings` are apt's, such as `Acquire::By-Hash`. */
  static async make(
    root: string,
    source: ClientSource,
    settings: Record<string, string> = {},
  ): Promise<ClientRoot> {
    const folders = [
      'etc/apt/sources.list.d',
      'etc/apt/preferences.d',
      'etc/apt/apt.conf.d',
      'etc/apt/trusted.gpg.d',
    ];
    folders.push('var/lib/apt/lists/partial', 'var/cache/apt/archives/partial', 'var/log/apt');
    folders.push('var/lib/dpkg/info', 'var/lib/dpkg/updates');
    for (const folder of folders) await mkdir(path.join(root, folder), { recursive: true });
    for (const file of ['status', 'available']) await writeFile(path.join(root, 'var/lib/dpkg', file), '');
    await writeFile(path.join(root, 'etc/apt/sources.list.d/autobuilder.sources'), sourcesText(source));
    // Where apt learns which indexes apt-file wants.
    await copyFile(
      '/etc/apt/apt.conf.d/50apt-file.conf',
      path.join(root, 'etc/apt/apt.conf.d/50apt-file.conf'),
    );
    const options: Record<string, string> = {
      ...{ Dir: root, 'Dir::State::status': path.join(root, 'var/lib/dpkg/status') },
      ...{ 'Dir::Bin::methods': '/usr/lib/apt/methods', 'APT::Sandbox::User': 'root' },
      ...{ 'APT::Architecture': 'amd64', 'APT::Update::Error-Mode': 'any', 'Debug::NoLocking': 'true' },
      ...{ 'Acquire::http::Proxy': 'DIRECT', 'Acquire::Retries': '0', 'APT::Get::Assume-Yes': 'true' },
      ...settings,
    };
    const lines = Object.entries(options).map(([name, value]) => `${name} "${value}";`);
    lines.push(`DPkg::Options { "--root=${root}"; "--force-not-root"; "--force-script-chrootless"; };`);
    await writeFile(path.join(root, 'apt.conf'), `${lines.join('\n')}\n`);
    return new ClientRoot(root);
  }

  /** Any of apt's tools, or dpkg-query, with this client's state. */
  run(command: string, ...args: string[]): Promise<RunResult> {
    const env = minimalEnvironment({
      ...{ APT_CONFIG: path.join(this.root, 'apt.conf'), DEBIAN_FRONTEND: 'noninteractive' },
      ...{ DPKG_ADMINDIR: path.join(this.root, 'var/lib/dpkg'), HOME: this.root },
    });
    return run([command, ...args], { cwd: this.root, env });
  }

  /** Its output, after it has said that all went well. */
  async output(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, ...args);
    if (code === 0) return stdout.toString('utf8');
    throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}: ${stderr.toString('utf8')}`);
  }
}
