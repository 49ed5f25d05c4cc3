/** kill -9 of any one service in the middle of the line, then its start: the package still arrives, once. */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dput, makeInstallation, type Installation, type Uploader } from '../support/installation.ts';
import { makeSourcePackage, signChanges } from '../support/source-package.ts';
import { readIndex } from '../support/read-index.ts';
import { waitFor } from '../support/wait.ts';

const LINE_TIMEOUT_MS = 300_000;

let line: Installation;
let uploader: Uploader;

beforeAll(async () => {
  line = await makeInstallation({ config: { garage: { build: { leaseS: 20 } } } });
  await line.start();
  uploader = await line.addAccount('uploader');
}, LINE_TIMEOUT_MS);

afterAll(async () => {
  await line?.dispose();
}, LINE_TIMEOUT_MS);

/** When to kill: a state of this version's upload or build, as SQL over its rows. */
const MOMENTS = {
  arriving: `select 1 from uploads u where u.trigger_file = $1`,
  building: `select 1 from builds b join sources s on s.id = b.source_id join uploads u on u.id = s.upload_id
              where u.trigger_file = $1 and b.status <> 'needs-build'`,
  runner: `select 1 from attempts a join builds b on b.id = a.build_id join sources s on s.id = b.source_id
             join uploads u on u.id = s.upload_id where u.trigger_file = $1 and a.stage in ('setup', 'build', 'ending', 'done')`,
  handedOver: `select 1 from builds b join sources s on s.id = b.source_id join uploads u on u.id = s.upload_id
              where u.trigger_file = $1 and b.status in ('built', 'uploaded', 'installed')`,
} as const;

const cases: [service: string, moment: keyof typeof MOMENTS][] = [
  ['drop', 'arriving'],
  ['garage', 'arriving'],
  ['garage', 'runner'],
  ['garage', 'handedOver'],
  ['builder', 'building'],
  ['builder', 'runner'],
  ['repository', 'building'],
  ['repository', 'handedOver'],
  ['live', 'runner'],
];

describe.each(cases)('kill -9 of %s while %s', (service, moment) => {
  it('the package arrives, once', { timeout: LINE_TIMEOUT_MS }, async () => {
    const version = `${String(cases.findIndex((each) => each[0] === service && each[1] === moment) + 2)}.0-1`;
    const outDir = path.join(line.home.root, 'packages', version);
    const made = await makeSourcePackage('greeter', { outDir, version });
    await signChanges(made.changes, uploader.openpgpPrivate);
    expect((await dput(line, uploader, made.changes)).code).toBe(0);
    const trigger = path.basename(made.changes);
    await waitFor(
      `the line to be ${moment}`,
      async () => (await line.pool.query(MOMENTS[moment], [trigger])).rowCount,
      LINE_TIMEOUT_MS,
    );
    await line.kill(service);

    await waitFor('the version in live', () => livesVersion(version), LINE_TIMEOUT_MS);
    await waitFor('the build to be installed', async () =>
      (await statuses(trigger)).every((status) => status === 'installed'),
    );
    expect(await statuses(trigger)).toHaveLength(1);
    const { rows } = await line.pool.query<{ uploads: string; sets: string }>(
      `select (select count(*) from uploads where trigger_file = $1) as uploads,
              (select count(*) from repository.sets where source_version = $2 and status = 'installed') as sets`,
      [trigger, version],
    );
    expect(rows[0]).toEqual({ uploads: '1', sets: '1' });
    const accepted = await waitFor(
      'the acceptance mail',
      async () => (await mailsAbout(`${trigger} ACCEPTED`)) || null,
    );
    expect(accepted).toBe(1);
    expect(
      await waitFor('the result mail', async () => (await mailsAbout(`Accepted greeter ${version}`)) || null),
    ).toBe(1);
  });
});

async function statuses(trigger: string): Promise<string[]> {
  const { rows } = await line.pool.query<{ status: string }>(
    `select b.status from builds b join sources s on s.id = b.source_id join uploads u on u.id = s.upload_id where u.trigger_file = $1`,
    [trigger],
  );
  return rows.map((row) => row.status);
}

async function livePackages(): Promise<string> {
  const main = path.join(line.home.live, 'devel', 'dists', line.product, 'main');
  const parts = (await readdir(main).catch(() => [])).filter((part) => part.startsWith('binary-'));
  const texts = await Promise.all(parts.map((part) => readIndex(path.join(main, part, 'Packages.gz'))));
  return texts.join('\n');
}

async function livesVersion(version: string): Promise<boolean> {
  const stanzas = (await livePackages()).split('\n\n');
  return stanzas.some(
    (stanza) => /^Package: greeter$/m.test(stanza) && stanza.includes(`\nVersion: ${version}\n`),
  );
}

async function mailsAbout(subject: string): Promise<number> {
  const files = await readdir(line.home.mail).catch(() => []);
  const texts = await Promise.all(files.map((file) => readFile(path.join(line.home.mail, file), 'utf8')));
  return texts.filter((text) => text.replaceAll(/\r?\n[ \t]/g, ' ').includes(`Subject: ${subject}`)).length;
}
