/** The line as its people use it: an uploader at the web form, a maintainer at the promote button, an admin by hand. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../shared/process/run.ts';
import { makeInstallation, type Installation, type Uploader } from '../support/installation.ts';
import { makeSourcePackage, signChanges, type SourcePackage } from '../support/source-package.ts';
import { waitFor } from '../support/wait.ts';

const LINE_TIMEOUT_MS = 300_000;
const CHROMIUM_FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
];

let line: Installation;
let uploader: Uploader;
let browser: Browser;

beforeAll(async () => {
  line = await makeInstallation();
  await line.start();
  uploader = await line.addAccount('uploader');
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: CHROMIUM_FLAGS });
}, LINE_TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  await line?.dispose();
}, LINE_TIMEOUT_MS);

async function signedPackage(name: string, version: string): Promise<SourcePackage> {
  const outDir = path.join(line.home.root, 'packages', `${name}-${version}`);
  const made = await makeSourcePackage(name, { outDir, version });
  await signChanges(made.changes, uploader.openpgpPrivate);
  return made;
}

async function signedIn(person: Uploader): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${line.webUrl}/sign-in`);
  await page.getByLabel('Login').fill(person.login);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  return page;
}

function waitForBuild(made: SourcePackage, statuses: string[]): Promise<string> {
  return waitFor(
    `${made.source} ${made.version} to be ${statuses.join(' or ')}`,
    async () => {
      const { rows } = await line.pool.query<{ status: string }>(
        `select b.status from builds b join sources s on s.id = b.source_id where s.name = $1 and s.version = $2`,
        [made.source, made.version],
      );
      return rows.map((row) => row.status).find((status) => statuses.includes(status)) ?? null;
    },
    LINE_TIMEOUT_MS,
  );
}

describe('people', () => {
  it(
    'an uploader sends a package by the web form and follows it to the queue',
    { timeout: LINE_TIMEOUT_MS },
    async () => {
      const made = await signedPackage('greeter', '1.0-1');
      const page = await signedIn(uploader);
      await page.goto(`${line.webUrl}/upload`);
      await page.getByLabel('Product').selectOption(line.product);
      await page.getByLabel('Files').setInputFiles(made.files);
      await page.getByRole('button', { name: 'Upload' }).click();
      await page.getByText(path.basename(made.changes)).first().waitFor();
      expect(await waitForBuild(made, ['installed', 'attempted'])).toBe('installed');

      await page.goto(`${line.webUrl}/builds`);
      await page
        .getByRole('link', { name: /greeter/ })
        .first()
        .click();
      await page.getByText('installed').first().waitFor();
      await page.goto(`${line.webUrl}/queues/devel/${line.product}`);
      await page.getByText('greeter').first().waitFor();
      await page.close();
    },
  );

  it('a maintainer promotes it with the button', { timeout: LINE_TIMEOUT_MS }, async () => {
    const page = await signedIn(uploader);
    await page.goto(`${line.webUrl}/queues/devel/${line.product}`);
    await page.getByRole('button', { name: /^Promote greeter/ }).click();
    const order = await waitFor('the order to be carried out', async () => {
      const { rows } = await line.pool.query<{ status: string; requested_by: string }>(
        `select status, requested_by from repository.orders where source = 'greeter' and to_queue = 'testing'`,
      );
      return rows.find((row) => ['done', 'refused'].includes(row.status));
    });
    expect(order).toEqual({ status: 'done', requested_by: 'uploader' });
    await page.goto(`${line.webUrl}/queues/testing/${line.product}`);
    await page.getByText('greeter').first().waitFor();
    await page.close();
  });

  it('somebody else sees no button', { timeout: LINE_TIMEOUT_MS }, async () => {
    const page = await signedIn(await line.addAccount('visitor'));
    await page.goto(`${line.webUrl}/queues/testing/${line.product}`);
    await page.getByText('greeter').first().waitFor();
    expect(await page.getByRole('button', { name: /^Promote/ }).count()).toBe(0);
    await page.close();
  });

  it('an admin runs buildme by hand while the service is down', { timeout: LINE_TIMEOUT_MS }, async () => {
    const good = await signedPackage('greeter', '2.0-1');
    const bad = await makeSourcePackage('greeter-data', {
      outDir: path.join(line.home.root, 'packages', 'unsigned'),
    });
    await line.supervisor?.children.find((child) => child.name === 'garage')?.stop();
    const batch = [...good.files, ...bad.files].map((file) => `put ${file} /${line.product}/`).join('\n');
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
    const result = await line.bin('buildme');
    const said = result.stdout.toString('utf8') + result.stderr.toString('utf8');
    expect(said).toMatch(/^>>>> .*greeter_2\.0-1_source\.changes$/m);
    expect(said).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] REJECTED: ".*not signed.*"$/m);
    expect(result.code).toBe(1);
    // Nobody is there to take over what the repository says; that it was handed over is buildme's to do.
    expect(await waitForBuild(good, ['uploaded', 'installed', 'attempted'])).not.toBe('attempted');
    const folder = path.join(line.home.rejected, line.product);
    const { rows } = await line.pool.query<{ id: string }>(
      `select id from uploads where status = 'rejected'`,
    );
    expect(rows).toHaveLength(1);
    expect(await readFile(path.join(folder, rows[0]!.id, 'REASON'), 'utf8')).toContain('not signed');
  });
});
