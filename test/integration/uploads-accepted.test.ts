import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestGarage } from '../support/garage.ts';
import { signChanges } from '../support/source-package.ts';
import {
  addUploader,
  nameOf,
  namesIn,
  PackageShelf,
  putFiles,
  round,
  signFile,
  type Uploader,
} from '../support/uploading.ts';

const garage = await openTestGarage({ garage: { url: 'https://garage.example.org/' } });
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
let maker: Uploader;
let guest: Uploader;
const incoming = (login: string): Promise<string[]> => namesIn(garage.home.incoming, 'bookworm', login);

async function one<T extends object>(sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await garage.pool.query<T>(sql, values);
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

beforeAll(async () => {
  maker = await addUploader(garage, 'maker');
  guest = await addUploader(garage, 'guest');
});
afterAll(() => garage.dispose());

describe('a good upload', () => {
  test('becomes a source with its files, a build for each architecture, a maintainer and one mail', async () => {
    const files = await shelf.take('greeter');
    await signChanges(files.get(nameOf(files, '.changes'))!, maker.privateKey);
    await putFiles(garage, 'maker', files);
    const [outcome] = await round(garage);
    expect(outcome).toMatchObject({ kind: 'decided', status: 'accepted', source: 'greeter', warnings: [] });

    const source = await one<{ id: string; directory: string; files: { name: string }[] }>(
      "select id, directory, files from sources where name = 'greeter'",
    );
    const upload = await one<Record<string, unknown>>('select * from uploads');
    expect(source.directory).toBe(`sources/bookworm/greeter_1.0-1/${String(upload['id'])}`);
    expect(await namesIn(garage.home.root, source.directory)).toEqual([...files.keys()].toSorted());
    expect(source.files.map(({ name }) => name).toSorted()).toEqual(
      [...files.keys()]
        .filter((name) => !name.endsWith('.changes') && !name.endsWith('.buildinfo'))
        .toSorted(),
    );
    expect(upload).toMatchObject({ status: 'accepted', product: 'bookworm', version: '1.0-1' });
    expect(upload['signed_by']).toMatch(/^[0-9A-F]{40}$/);
    expect(upload['settled_at']).toBeInstanceOf(Date);
    expect(await one('select architecture, status from builds where source_id = $1', [source.id])).toEqual({
      architecture: 'amd64',
      status: 'needs-build',
    });
    expect(await one('select login, source from promotion_rights where not admin')).toEqual({
      login: 'maker',
      source: 'greeter',
    });
    const mail = await one<{ body: string; headers: object }>(
      'select recipient, subject, body, headers from mails',
    );
    expect(mail).toMatchObject({
      recipient: 'maker@example.org',
      subject: `${nameOf(files, '.changes')} ACCEPTED into devel`,
      headers: { 'X-Debian-Package': 'greeter', 'Auto-Submitted': 'auto-generated', Precedence: 'bulk' },
    });
    expect(mail.body).toContain(`https://garage.example.org/uploads/${String(upload['id'])}\n`);
    expect(await incoming('maker')).toEqual([]);
    expect(await namesIn(garage.home.verifying)).toEqual([]);
    expect(await round(garage)).toEqual([]);
  });

  test('the same content again is accepted and builds nothing new', async () => {
    const files = await shelf.take('needs-greeter');
    await signFile(files, maker);
    await putFiles(garage, 'maker', files);
    await round(garage);
    await putFiles(garage, 'maker', files);
    expect(await round(garage)).toMatchObject([{ status: 'accepted' }]);
    const counts = await one(
      `select (select count(*)::int from uploads where source = 'needs-greeter') as uploads,
              (select count(*)::int from sources where name = 'needs-greeter') as sources,
              (select count(*)::int from builds b join sources s on s.id = b.source_id
                where s.name = 'needs-greeter') as builds,
              (select count(*)::int from mails where body like '%nothing new%') as mails`,
    );
    expect(counts).toEqual({ uploads: 2, sources: 1, builds: 1, mails: 1 });
  });

  test('of another account changes no maintainer', async () => {
    await garage.pool.query("update accounts set admin = true where login = 'guest'");
    const files = await shelf.take('greeter', '1.0-2');
    await signFile(files, guest);
    await putFiles(garage, 'guest', files);
    expect(await round(garage)).toMatchObject([{ status: 'accepted', version: '1.0-2' }]);
    const { rows } = await garage.pool.query("select login from promotion_rights where source = 'greeter'");
    expect(rows).toEqual([{ login: 'maker' }]);
  });
});

describe('what an upload may leave out', () => {
  test('an orig tarball that the archive has is taken from there', async () => {
    const files = await shelf.take('greeter', '1.0-3');
    const orig = nameOf(files, '.orig.tar.xz');
    await signFile(files, maker);
    const content = await readFile(files.get(orig)!);
    files.delete(orig);
    await putFiles(garage, 'maker', files);
    expect(await round(garage)).toMatchObject([{ kind: 'waiting', missing: [orig] }]);
    expect(await round(garage, 60)).toMatchObject([{ status: 'accepted', version: '1.0-3' }]);
    const { directory } = await one<{ directory: string }>(
      "select directory from sources where version = '1.0-3' and name = 'greeter'",
    );
    expect(await readFile(path.join(garage.home.root, directory, orig))).toEqual(content);
  });

  test('a signed .dsc needs no .changes, once nothing has arrived for a while', async () => {
    const files = await shelf.take('greeter', '1.0-4');
    files.delete(nameOf(files, '.changes'));
    await signFile(files, maker, '.dsc');
    await putFiles(garage, 'maker', files);
    expect(await round(garage)).toMatchObject([{ kind: 'waiting', missing: [] }]);
    expect(await round(garage, 61)).toMatchObject([{ status: 'accepted', version: '1.0-4' }]);
    expect(await incoming('maker')).toEqual(await namesIn('/nonexistent'));
  });
});

describe('what comes beside it', () => {
  test("dput's logs are removed, partial files are left, others are told of after a day", async () => {
    const folder = path.join(garage.home.incoming, 'bookworm', 'guest');
    await mkdir(folder, { recursive: true });
    for (const name of ['x_1_source.dput.upload', 'y_1.tar.xz.partial', 'notes.txt', 'more notes']) {
      await writeFile(path.join(folder, name), name);
    }
    expect(await round(garage)).toEqual([]);
    expect(await incoming('guest')).toEqual(['more notes', 'notes.txt', 'y_1.tar.xz.partial']);
    expect(await round(garage, 25 * 3600)).toMatchObject([{ status: 'rejected', code: 'orphan-files' }]);
    expect(await incoming('guest')).toEqual(['y_1.tar.xz.partial']);
    const upload = await one<{ id: string }>("select id from uploads where reason_code = 'orphan-files'");
    expect(await namesIn(garage.home.rejected, 'bookworm', upload.id)).toEqual([
      'REASON',
      'more notes',
      'notes.txt',
    ]);
  });

  test('folders of no product and of no account are left alone and told once', async () => {
    const odd = [
      path.join(garage.home.incoming, 'sarge'),
      path.join(garage.home.incoming, 'bookworm', 'nobody'),
    ];
    for (const folder of odd) {
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, 'x.changes'), 'x');
    }
    expect(await round(garage, 25 * 3600)).toEqual([]);
    for (const folder of odd) expect(await namesIn(folder)).toEqual(['x.changes']);
  });
});
