/**
 * The whole line on real input: real sshd, PostgreSQL, dput, clean target and apt, all services as
 * processes of their own.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../shared/process/run.ts';
import { makeAptClient } from '../support/apt-client.ts';
import { dput, makeInstallation, type Installation, type Uploader } from '../support/installation.ts';
import {
  clearsignFile,
  makeSigningKey,
  makeSourcePackage,
  signChanges,
  type SourcePackage,
} from '../support/source-package.ts';
import { readIndex } from '../support/read-index.ts';
import { waitFor } from '../support/wait.ts';

/** A cold machine makes its base first. */
const BUILD_TIMEOUT_MS = 300_000;
const STEP_TIMEOUT_MS = 60_000;

let line: Installation;
let uploader: Uploader;

beforeAll(async () => {
  line = await makeInstallation();
  await line.start();
  uploader = await line.addAccount('uploader');
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await line?.dispose();
}, STEP_TIMEOUT_MS);

async function sourcePackage(name: string, folder: string, version?: string): Promise<SourcePackage> {
  const outDir = path.join(line.home.root, 'packages', folder);
  return makeSourcePackage(name, { outDir, ...(version ? { version } : {}) });
}

async function signedPackage(name: string, folder: string, version?: string): Promise<SourcePackage> {
  const made = await sourcePackage(name, folder, version);
  await signChanges(made.changes, uploader.openpgpPrivate);
  return made;
}

async function send(made: SourcePackage): Promise<void> {
  const result = await dput(line, uploader, made.changes);
  expect(result.stderr.toString('utf8') + result.stdout.toString('utf8')).toContain('Successfully uploaded');
  expect(result.code).toBe(0);
}

async function buildStatus(source: string, version: string): Promise<string[]> {
  const { rows } = await line.pool.query<{ status: string }>(
    `select b.status from builds b join sources s on s.id = b.source_id where s.name = $1 and s.version = $2`,
    [source, version],
  );
  return rows.map((row) => row.status);
}

async function waitInstalled(made: SourcePackage): Promise<void> {
  await waitFor(
    `${made.source} ${made.version} to be installed`,
    async () => {
      const statuses = await buildStatus(made.source, made.version);
      const ended = statuses.find((status) => ['attempted', 'cancelled', 'not-for-us'].includes(status));
      if (ended) return `ended as ${ended}`;
      return statuses.length > 0 && statuses.every((status) => status === 'installed') && 'installed';
    },
    BUILD_TIMEOUT_MS,
  ).then((state) => expect(state).toBe('installed'));
}

async function mails(subject: RegExp): Promise<string[]> {
  const files = await readdir(line.home.mail).catch(() => []);
  const texts = await Promise.all(files.map((file) => readFile(path.join(line.home.mail, file), 'utf8')));
  return texts.filter((text) =>
    subject.test(/^Subject: (.*(?:\r?\n[ \t].*)*)/m.exec(text)?.[1]?.replace(/\r?\n[ \t]/g, ' ') ?? ''),
  );
}

async function waitLive(queue: string, needle: string): Promise<string> {
  const packages = path.join(line.home.live, queue, 'dists', line.product, 'main');
  return waitFor(`${needle} in live's ${queue}`, async () => {
    for (const part of await readdir(packages)) {
      const text = await readIndex(path.join(packages, part, 'Packages.gz'));
      if (text.includes(needle)) return text;
    }
    return null;
  });
}

describe('the line', () => {
  it('brings a package from dput to apt-get install', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const greeter = await signedPackage('greeter', 'good');
    await send(greeter);
    await waitInstalled(greeter);
    await waitLive('devel', 'Package: greeter\n');

    const inRelease = path.join(line.home.live, 'devel', 'dists', line.product, 'InRelease');
    const keyring = path.join(line.home.live, 'archive-key.gpg');
    const verified = await runChecked(['gpgv', '--keyring', keyring, inRelease]);
    expect(verified.stderr.toString('utf8')).toContain('Good signature');

    const uri = `${line.liveUrl}/devel`;
    const client = await makeAptClient(path.join(line.home.root, 'client'), {
      uri,
      suite: line.product,
      keyring,
    });
    // Indexes reach live before the InRelease that names them: apt sees the old state or the new one.
    const shown = await waitFor('apt to see greeter', async () => {
      const update = await client.apt('apt-get', 'update');
      expect(update.stderr.toString('utf8')).toBe('');
      expect(update.code).toBe(0);
      return (await client.apt('apt-cache', 'show', 'greeter')).stdout.toString('utf8');
    });
    expect(shown).toContain('SHA256:');
    expect((await client.apt('apt-get', 'source', '--download-only', 'greeter')).code).toBe(0);
  });

  it(
    'mails the uploader once on acceptance and once on the result',
    { timeout: STEP_TIMEOUT_MS },
    async () => {
      await waitFor('the result mail', async () => (await mails(/^Accepted greeter /)).length > 0);
      expect(await mails(/^greeter_.*_source\.changes ACCEPTED/)).toHaveLength(1);
      expect(await mails(/^Accepted greeter /)).toHaveLength(1);
    },
  );

  it('keeps the whole log and the result of the build', async () => {
    const { rows } = await line.pool.query<{ directory: string; stage: string }>(
      'select directory, stage from attempts',
    );
    expect(rows[0]?.stage).toBe('done');
    const log = await readFile(path.join(line.home.root, rows[0]!.directory, 'build.log'), 'utf8');
    for (const stage of ['init', 'clean', 'prep', 'setup', 'build', 'ending'])
      expect(log).toContain(`==> ${stage}`);
  });

  it('builds against what devel holds', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const dependent = await signedPackage('needs-greeter', 'dependent');
    await send(dependent);
    await waitInstalled(dependent);
    expect(await waitLive('devel', 'Package: needs-greeter\n')).toContain('Package: greeter\n');
  });

  it(
    'promotes to testing and to stable, and installs from stable in a clean target',
    { timeout: BUILD_TIMEOUT_MS },
    async () => {
      const promote = (from: string, to: string) =>
        line.cli(
          'promote',
          'greeter',
          '--product',
          line.product,
          '--from',
          from,
          '--to',
          to,
          '--as',
          'uploader',
          '--wait',
        );
      await promote('devel', 'testing');
      await promote('testing', 'stable');
      await waitLive('stable', 'Package: greeter\n');
      const output = await line.cli(
        'install-check',
        'greeter',
        '--queue',
        'stable',
        '--product',
        line.product,
        '--',
        'greeter',
      );
      expect(output).toMatch(/hello|greet/i);
      await waitFor(
        'a mail for each promotion',
        async () => (await mails(/greeter.*(testing|stable)/)).length >= 2,
      );
    },
  );

  it(
    'refuses a promotion by somebody who does not maintain the package, with the reason',
    { timeout: STEP_TIMEOUT_MS },
    async () => {
      await line.addAccount('stranger');
      const args = [
        'promote',
        'greeter',
        '--product',
        line.product,
        '--from',
        'devel',
        '--to',
        'stable',
        '--as',
        'stranger',
        '--wait',
      ];
      const result = await line.bin('autobuilder', ...args);
      expect(result.code).not.toBe(0);
      expect(result.stderr.toString('utf8')).toMatch(/maintain/i);
    },
  );
});

describe('broken uploads', () => {
  interface Broken {
    name: string;
    reason: RegExp;
    make(folder: string): Promise<SourcePackage>;
  }
  const broken: Broken[] = [
    {
      name: 'wrong checksum',
      reason: /sum for \S+ does not match|File size for \S+ does not match/,
      async make(folder) {
        const made = await signedPackage('greeter', folder, '3.0-1');
        const orig = made.files.find((file) => file.includes('.orig.'))!;
        const bytes = await readFile(orig);
        bytes[bytes.length - 1]! ^= 0xff;
        await writeFile(orig, bytes);
        return made;
      },
    },
    {
      name: 'missing orig',
      reason: /Can't stat \S+orig\S+: No such file|Refers to non-existing file '\S+orig\S+'/,
      async make(folder) {
        const made = await signedPackage('greeter', folder, '4.0-1');
        return { ...made, files: made.files.filter((file) => !file.includes('.orig.')) };
      },
    },
    {
      name: 'unknown key',
      reason: /signed by unknown key/,
      async make(folder) {
        const made = await sourcePackage('greeter', folder, '5.0-1');
        await signChanges(made.changes, (await makeSigningKey('nobody@example.org')).privateKey);
        return made;
      },
    },
    {
      name: 'a name with ../',
      reason: /name|path/i,
      async make(folder) {
        const made = await sourcePackage('greeter', folder, '6.0-1');
        const text = await readFile(made.changes, 'utf8');
        await writeFile(made.changes, text.replaceAll(/ (\S+\.dsc)$/gm, ' ../../$1'));
        await clearsignFile(made.changes, uploader.openpgpPrivate);
        return made;
      },
    },
  ];

  it.each(broken)('$name: a record, a mail, a folder', { timeout: STEP_TIMEOUT_MS }, async (example) => {
    const { name, reason } = example;
    const made = await example.make(name.replaceAll(/\W+/g, '-'));
    // dput itself would refuse to send these, so they go by sftp.
    const batch = made.files.map((file) => `put ${file} /${line.product}/`).join('\n');
    const options = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'LogLevel=ERROR',
    ];
    await runChecked(
      [
        'sftp',
        '-b',
        '-',
        '-i',
        uploader.sshKey,
        '-P',
        String(line.ports.ssh),
        ...options,
        'uploader@127.0.0.1',
      ],
      { input: batch },
    );
    const row = await waitFor('the rejection', async () => {
      const { rows } = await line.pool.query<{ id: string; reason: string; status: string }>(
        `select id, reason, status from uploads where trigger_file = $1 and status = 'rejected' and settled_at is not null`,
        [path.basename(made.changes)],
      );
      return rows[0];
    });
    expect(row.reason).toMatch(reason);
    const folder = path.join(line.home.rejected, line.product, row.id);
    const kept = await readdir(folder);
    expect(kept).toContain('REASON');
    expect(kept).toContain(path.basename(made.changes));
    expect(await readFile(path.join(folder, 'REASON'), 'utf8')).toContain(row.reason);
    const subject = new RegExp(`${path.basename(made.changes).replaceAll(/[.+]/g, '\\$&')} REJECTED`);
    await waitFor('the mail', async () => (await mails(subject)).length === 1);
  });

  it('the queue goes on afterwards', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const next = await signedPackage('greeter', 'next', '7.0-1');
    await send(next);
    await waitInstalled(next);
    const incoming = await readdir(path.join(line.home.incoming, line.product, 'uploader')).catch(() => []);
    expect(incoming.filter((file) => !file.endsWith('.upload'))).toEqual([]);
  });
});
