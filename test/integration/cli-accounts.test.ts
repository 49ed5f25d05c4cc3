/** Keys and maintainers on the command line. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listAccounts } from '../../services/garage/accounts/accounts.ts';
import { runCommandLine } from '../../bin/autobuilder.ts';
import { openTestGarage } from '../support/garage.ts';
import { addUploader } from '../support/uploading.ts';

const garage = await openTestGarage();
const folder = path.join(garage.home.root, 'keys');
afterAll(() => garage.dispose());

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  Object.assign(process.env, garage.env);
  const said = { out: '', err: '' };
  const code = await runCommandLine(args, {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  });
  return { code, ...said };
}

beforeAll(async () => {
  await mkdir(folder, { recursive: true });
  await addUploader(garage, 'uploader');
});

describe('keys', () => {
  test('are taken away by their fingerprints, OpenPGP ones also as gpg prints them; drop hears of it', async () => {
    const file = path.join(folder, 'ssh.pub');
    await writeFile(file, `${ssh2.utils.generateKeyPairSync('ed25519').public} laptop\n`);
    expect(await cli('account', 'add-key', 'uploader', '--ssh-key', file)).toMatchObject({ code: 0 });
    const [before] = await listAccounts(garage);
    const [ssh, openpgp] = [before!.sshKeys[0]!, before!.openpgpKeys[0]!];
    expect(await cli('account', 'remove-key', 'uploader', ssh)).toEqual({ code: 0, out: '', err: '' });
    expect(await readFile(path.join(garage.home.drop, 'accounts.json'), 'utf8')).not.toContain('ssh-ed25519');
    const spaced = openpgp.replaceAll(/(.{4})/g, '$1 ').toLowerCase();
    expect(await cli('account', 'remove-key', 'uploader', spaced)).toMatchObject({ code: 0 });
    expect(await listAccounts(garage)).toMatchObject([{ sshKeys: [], openpgpKeys: [] }]);
    expect(await cli('account', 'remove-key', 'uploader', ssh)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: Account 'uploader' has no key SHA256:.*\nhint: /) as string,
    });
    expect(await cli('account', 'remove-key', 'nobody', ssh)).toMatchObject({ code: 1 });
  });

  test.each(['sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'])(
    'of a security token (%s) are refused with what to do instead',
    async (type) => {
      const file = path.join(folder, 'token.pub');
      await writeFile(file, `${type} AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t token\n`);
      expect(await cli('account', 'add', 'tokens', '--email', 't@example.org', '--ssh-key', file)).toEqual({
        code: 1,
        out: '',
        err:
          `error: Keys of security tokens (${type}) cannot be verified here\n` +
          'hint: Give a key without a token, made with: ssh-keygen -t ed25519\n',
      });
    },
  );
});

describe('maintainers', () => {
  test('are added by source or glob, listed, and taken away as they were given', async () => {
    expect(await cli('maintainer', 'list')).toMatchObject({ out: 'Nobody maintains anything yet\n' });
    expect(await cli('maintainer', 'add', 'hello', 'uploader')).toEqual({ code: 0, out: '', err: '' });
    expect(await cli('maintainer', 'add', 'lib*', 'uploader', '--product', 'bookworm')).toMatchObject({
      code: 0,
    });
    const { out } = await cli('maintainer', 'list', '--product', 'bookworm');
    expect(out).toMatch(/^bookworm +hello +uploader +uploader@example\.org\nbookworm +lib\* +uploader/m);
    expect(JSON.parse((await cli('maintainer', 'list', '--json')).out)).toHaveLength(2);
    expect(await cli('maintainer', 'remove', 'lib*', 'uploader')).toMatchObject({ code: 0 });
    expect(await cli('maintainer', 'remove', 'lib*', 'uploader')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: 'uploader' does not maintain lib\* in bookworm\nhint: /) as string,
    });
  });

  test.each([
    [['maintainer', 'add', 'hello', 'nobody'], /^error: There is no account 'nobody'\nhint: /],
    [
      ['maintainer', 'add', 'Hello World', 'uploader'],
      /^error: 'Hello World' is neither a source's name nor a glob\n/,
    ],
    [
      ['maintainer', 'add', 'hello', 'uploader', '--product', 'sarge'],
      /^error: There is no product 'sarge'\n/,
    ],
  ])('%j is refused', async (args, message) => {
    expect(await cli(...args)).toMatchObject({ code: 1, err: expect.stringMatching(message) as string });
  });
});
