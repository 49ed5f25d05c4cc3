/** The web in a real browser, as an uploader and a maintainer use it. */
import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { startWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { addAttempt, addSource, publish } from '../integration/web-rows.ts';

const FLAGS = [
  ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];
const password = 'four words in a row';
const garage = await openTestGarage({ garage: { listen: '127.0.0.1:0' } });
const web = await startWeb(garage);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
const folder = await mkdtemp(path.join(tmpdir(), 'web-e2e-'));
afterAll(async () => {
  await browser.close();
  await web.close();
  await garage.dispose();
  await rm(folder, { recursive: true, force: true });
});
await addAccount(garage, {
  ...{ login: 'maker', email: 'maker@example.org', password },
  ...{ sshKeys: [], openpgpKeys: [] },
});

let page: Page;
/** What the browser complained about: blocked by the policy, failed scripts. */
let complaints: string[];

beforeEach(async () => {
  page = await browser.newPage({ baseURL: web.address });
  complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
});
afterEach(async () => {
  await page.context().close();
  if (complaints.length > 0) throw new Error(`the browser complained: ${complaints.join('; ')}`);
});

async function signIn(): Promise<void> {
  await page.goto('/sign-in');
  await page.getByLabel('Login').fill('maker');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
}

async function runningBuild(name: string): Promise<{ url: string; log: string; attemptId: string }> {
  const { buildId } = await addSource(garage.pool, 'maker', { name, version: '1', status: 'building' });
  const directory = `results/bookworm/${name}_1/amd64/1`;
  const log = path.join(garage.home.root, directory, 'build.log');
  await mkdir(path.dirname(log), { recursive: true });
  await writeFile(log, 'written before the page was opened\n');
  const attemptId = await addAttempt(garage.pool, buildId, { directory, stage: 'setup' });
  return { url: `/builds/${buildId}`, log, attemptId };
}

test('an uploader signs in, sends three files by the form and sees them waiting', async () => {
  const names = ['demo_1_source.changes', 'demo_1.dsc', 'demo_1.tar.xz'];
  for (const name of names) await writeFile(path.join(folder, name), `content of ${name}\n`);
  await signIn();
  await page.getByRole('link', { name: 'Upload files' }).click();
  await page.getByLabel('Product').selectOption('bookworm');
  await page.getByLabel('Files').setInputFiles(names.map((name) => path.join(folder, name)));
  await page.getByRole('button', { name: 'Upload' }).click();
  await page.waitForURL('**/uploads?arrived=3');
  for (const name of names) await page.getByRole('cell', { name }).waitFor();
  const incoming = await readdir(path.join(garage.home.incoming, 'bookworm', 'maker'));
  expect(new Set(incoming)).toEqual(new Set(names));
});

test('a build’s log is followed while it is written, as text, until it ends', async () => {
  const { url, log, attemptId } = await runningBuild('followed');
  await page.goto(url);
  const shown = page.locator('#log');
  await page.getByText('this page follows').waitFor();
  await appendFile(log, 'appended <b>later</b>\n');
  await expect.poll(() => shown.textContent()).toContain('appended <b>later</b>\n');
  expect(await shown.locator('b').count()).toBe(0);
  await garage.pool.query("update attempts set stage = 'build' where id = $1", [attemptId]);
  await expect.poll(() => page.locator('.stages .now').textContent(), { timeout: 5_000 }).toContain('build');
  await garage.pool.query("update attempts set stage = 'done', finished_at = now() where id = $1", [
    attemptId,
  ]);
  await page.getByRole('link', { name: 'Show the result' }).waitFor();
  expect(await shown.textContent()).toBe('written before the page was opened\nappended <b>later</b>\n');
}, 20_000);

test('without scripts the same page shows the log and a link to all of it', async () => {
  const { url } = await runningBuild('scriptless');
  const context = await browser.newContext({ baseURL: web.address, javaScriptEnabled: false });
  const plain = await context.newPage();
  await plain.goto(url);
  expect(await plain.locator('#log').textContent()).toContain('written before');
  await plain.getByRole('link', { name: 'The whole log as text' }).click();
  expect(await plain.locator('body').textContent()).toContain('written before');
  await context.close();
});

test('a maintainer promotes with the keyboard, and an order is there', async () => {
  await addSource(garage.pool, 'maker', { name: 'hello', version: '2.10-3', status: 'installed' });
  await publish(garage.pool, 'devel', { name: 'hello', version: '2.10-3' });
  await signIn();
  await page.goto('/queues/devel/bookworm');
  await page.getByRole('button', { name: 'Promote hello 2.10-3 to testing' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('requested', { exact: true }).waitFor();
  const { rows } = await garage.pool.query('select source, to_queue, requested_by from repository.orders');
  expect(rows).toEqual([{ source: 'hello', to_queue: 'testing', requested_by: 'maker' }]);
});

test('every page fits a phone, and the first stop of the keyboard skips to the content', async () => {
  const { url: build } = await runningBuild('fitting');
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn();
  for (const url of [
    '/',
    '/uploads',
    '/builds',
    '/queues',
    '/queues/devel/bookworm',
    '/hosts',
    '/upload',
    build,
  ]) {
    await page.goto(url);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect([url, overflow]).toEqual([url, 0]);
  }
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
});
