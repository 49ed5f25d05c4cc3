/** For tests: a GnuPG home of its own, with its agent ended at the end. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment, runChecked } from '../process/run.ts';

export class GnupgHome {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** The path is short because the agent's socket lies in it, and those end at 107 bytes. */
  static async make(): Promise<GnupgHome> {
    return new GnupgHome(await mkdtemp('/tmp/gh-'));
  }

  /** Runs gpg without asking anything; returns stdout. */
  async gpg(args: string[], input = ''): Promise<string> {
    const argv = ['--batch', '--yes', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args];
    const env = minimalEnvironment({ GNUPGHOME: this.folder });
    const { stdout } = await runChecked(['gpg', ...argv], { env, input });
    return stdout.toString('utf8');
  }

  /** Makes a key; `options` such as `--faked-system-time`. Returns its fingerprint. */
  async generate(
    userId: string,
    algorithm: string,
    expires: string,
    options: string[] = [],
  ): Promise<string> {
    await this.gpg([...options, '--quick-gen-key', userId, algorithm, 'sign', expires]);
    const listing = await this.gpg(['--with-colons', '--list-keys', userId]);
    return /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1] ?? '';
  }

  export(fingerprint: string): Promise<string> {
    return this.gpg(['--armor', '--export', fingerprint]);
  }

  clearsign(fingerprint: string, text: string, options: string[] = []): Promise<string> {
    return this.gpg([...options, '--local-user', fingerprint, '--clearsign'], text);
  }

  /** Puts the revocation certificate to use that gpg keeps for each key; its first colon disarms it. */
  async revoke(fingerprint: string): Promise<void> {
    const certificate = await readFile(
      path.join(this.folder, 'openpgp-revocs.d', `${fingerprint}.rev`),
      'utf8',
    );
    const armed = path.join(this.folder, 'armed.rev');
    await writeFile(armed, certificate.replace(/^:-----BEGIN/m, '-----BEGIN'));
    await this.gpg(['--import', armed]);
  }

  async remove(): Promise<void> {
    await runChecked(['gpgconf', '--homedir', this.folder, '--kill', 'all']);
    await rm(this.folder, { recursive: true, force: true });
  }
}
