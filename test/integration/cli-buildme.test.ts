/** buildme by hand, as an admin runs it: --dry-run, --only, --retry, and an exit status that tells the truth. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { holdBuildme } from '../../services/garage/buildme/single-instance.ts';
import { run } from '../../shared/process/run.ts';
import { openTestGarage } from '../support/garage.ts';
import {
  addUploader,
  namesIn,
  PackageShelf,
  putFiles,
  signFile,
  type Uploader,
} from '../support/uploading.ts';

const BUILDME = path.resolve(import.meta.dirname, '../../bin/buildme');
const garage = await openTestGarage();
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
const spool = path.join(garage.home.incoming, 'bookworm', 'uploader');
let uploader: Uploader;
afterAll(() => garage.dispose());

async function buildme(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const result = await run([BUILDME, ...args], { env: { ...garage.env, USER: 'operator' }, cwd: '/' });
  return { code: result.code, out: result.stdout.toString(), err: result.stderr.toString() };
}

/** Everything that a round could change, as text. */
async function everything(): Promise<string> {
  const tables = ['uploads', 'sources', 'builds', 'mails', 'maintainers'];
  const rows = await Promise.all(
    tables.map((table) => garage.pool.query(`select * from ${table} order by 1`)),
  );
  const files: string[] = [];
  for (const name of (await readdir(garage.home.root, { recursive: true })).toSorted()) {
    const { mode, size, mtimeMs, ctimeMs } = await stat(path.join(garage.home.root, name));
    files.push([name, mode, size, mtimeMs, ctimeMs].join(' '));
  }
  return JSON.stringify([rows.map((each) => each.rows), files]);
}

beforeAll(async () => {
  uploader = await addUploader(garage, 'uploader');
  const good = await shelf.take('greeter');
  await signFile(good, uploader);
  await putFiles(garage, 'uploader', good);
  await putFiles(garage, 'uploader', await shelf.take('greeter-data'));
  await writeFile(path.join(spool, 'greeter_1.0-1_source.upload'), "dput's log");
});

describe('--dry-run', () => {
  test('says what would happen, and changes nothing', async () => {
    const before = await everything();
    const said = await buildme('--dry-run');
    expect(said).toMatchObject({ code: 1, err: '' });
    expect(said.out).toMatch(
      /^>>>> .*greeter_1\.0-1_source\.changes\n\[.*\] would be ACCEPTED: greeter 1\.0-1 for bookworm$/m,
    );
    expect(said.out).toMatch(
      /^>>>> .*greeter-data_.*\n\[.*\] would be REJECTED: "\.changes is not signed\."$/m,
    );
    expect(await everything()).toBe(before);
  });

  test('of what is good alone ends with 0', async () => {
    expect(await buildme('--dry-run', '--only', 'greeter_1.0-1_source.changes')).toMatchObject({ code: 0 });
  });

  test('says of what an earlier round began that it would be finished', async () => {
    await garage.pool.query(
      `insert into uploads (product, account_id, trigger_file, files, status)
       values ('bookworm', $1, 'begun_1.changes', '{begun_1.changes}', 'verifying')`,
      [uploader.id],
    );
    const said = await buildme('--dry-run', '--only', 'begun_1.changes');
    expect(said.out).toMatch(
      /^>>>> .*begun_1\.changes\n\[.*\] would be finished: an earlier round began it\n$/,
    );
    await garage.pool.query("delete from uploads where trigger_file = 'begun_1.changes'");
  });
});

describe('--only', () => {
  test('takes one upload, by the name of a file of it or by path, and leaves the others', async () => {
    const data = (await namesIn(spool)).find(
      (name) => name.startsWith('greeter-data') && name.endsWith('.dsc'),
    );
    const rejected = await buildme('--only', path.join(spool, data!));
    expect(rejected).toMatchObject({ code: 1, err: '' });
    expect(rejected.out).toMatch(/^>>>> .*greeter-data_.*\n\[.*\] REJECTED: /);
    expect(await namesIn(spool)).toContain('greeter_1.0-1_source.changes');
    expect(await namesIn(spool)).toContain('greeter_1.0-1_source.upload');
    const accepted = await buildme('--only', 'greeter_1.0.orig.tar.xz');
    expect(accepted).toMatchObject({ code: 0 });
    expect(accepted.out).toMatch(/ACCEPTED: greeter 1\.0-1 for bookworm\n$/);
  });

  test('of what is not there ends with 1 and says so', async () => {
    for (const file of ['greeter_1.0-1_source.changes', '/etc/passwd']) {
      expect(await buildme('--only', file)).toMatchObject({
        ...{ code: 1, out: '' },
        err: `error: No upload that waits holds '${file}'\nhint: buildme --dry-run shows what waits.\n`,
      });
    }
  });
});

describe('--retry', () => {
  test('puts failed builds back, and says which; with a name that none has, ends with 1', async () => {
    await garage.pool.query("update builds set status = 'attempted', fail_class = 'machine', given_back = 4");
    const retried = await buildme('--retry', '--no-build');
    expect(retried).toMatchObject({ code: 0, err: '' });
    expect(retried.out).toMatch(/^\[.*\] RETRY: greeter 1\.0-1 amd64 for bookworm, was attempted\n$/);
    const { rows } = await garage.pool.query('select status, given_back from builds');
    expect(rows).toEqual([{ status: 'needs-build', given_back: 0 }]);
    expect((await buildme('--retry', '--no-build')).out).toMatch(/RETRY: there is nothing to try again\n$/);
    expect(await buildme('--retry', 'unheard-of', '--no-build')).toMatchObject({
      ...{
        code: 1,
        out: '',
        err: expect.stringMatching(/^error: No source 'unheard-of' was ever accepted\n/) as string,
      },
    });
  });

  test('and --dry-run are told apart: exit 2', async () => {
    expect(await buildme('--retry', '--dry-run')).toMatchObject({ code: 2 });
  });
});

test('while another round runs, each way says so and by whom, and leaves with 3', async () => {
  const held = await holdBuildme(garage);
  for (const args of [['--no-build'], ['--dry-run'], ['--only', 'x.changes']]) {
    const second = await buildme(...args);
    expect(second).toMatchObject({ code: 3, err: '' });
    expect(second.out).toMatch(/^\[.*\] another buildme is running \(\S+@\S+ pid \d+\); this one leaves\n$/);
    expect(second.out).toContain(`pid ${String(process.pid)})`);
  }
  if (held.kind === 'held') await held.release();
});

test('--help says what the exit status means', async () => {
  const help = await buildme('--help');
  expect(help).toMatchObject({ code: 0 });
  for (const words of [
    '--dry-run',
    '--only <file>',
    '--retry [source]',
    'Exit status: 0,',
    '3, another round',
  ]) {
    expect(help.out).toContain(words);
  }
  expect(await readFile(path.resolve(import.meta.dirname, '../../docs/uploads.md'), 'utf8')).toContain(
    'Exit status: 0,',
  );
});
