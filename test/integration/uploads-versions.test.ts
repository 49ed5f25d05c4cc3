/** What the archive has already decides what it takes; and what is no file is never taken for one. */
import { mkdir, readFile, rename, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UploadOutcome } from '../../services/garage/uploads/outcome.ts';
import { runChecked } from '../../shared/process/run.ts';
import { openTestGarage } from '../support/garage.ts';
import {
  addUploader,
  edit,
  flipByte,
  nameOf,
  namesIn,
  PackageShelf,
  putFiles,
  resum,
  round,
  signFile,
  type Files,
  type Uploader,
} from '../support/uploading.ts';

const garage = await openTestGarage();
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
afterAll(() => garage.dispose());

function refusal(version: string, present: string): object {
  return {
    status: 'rejected',
    code: 'version-not-higher',
    reason:
      `Version check failed: Your upload included the source package greeter, version ${version}, ` +
      `however bookworm already has version ${present}. ` +
      'Uploads to bookworm must have a higher version than present in bookworm.',
  };
}

async function changeDsc(files: Files): Promise<void> {
  await edit(files, '.dsc', (text) => text.replace('Standards-Version: 4.6.2', 'Standards-Version: 4.6.1'));
  await resum(files, files.get('greeter_3.0-2.dsc')!);
}

async function changeOrig(files: Files): Promise<void> {
  const orig = 'greeter_3.0.orig.tar.xz';
  const folder = path.dirname(files.get(orig)!);
  const dscText = await readFile(files.get('greeter_3.0-3.dsc')!, 'utf8');
  await flipByte(path.join(folder, orig));
  await resum(files, path.join(folder, orig));
  const lines = (await readFile(files.get(nameOf(files, '.changes'))!, 'utf8')).matchAll(
    /^ ([0-9a-f]+) (\d+) (?:misc optional )?greeter_3\.0\.orig\.tar\.xz$/gm,
  );
  let changed = dscText;
  for (const [, sum, size] of lines) {
    const old = new RegExp(`^ [0-9a-f]{${String(sum!.length)}} \\d+ greeter_3\\.0\\.orig\\.tar\\.xz$`, 'm');
    changed = changed.replace(old, ` ${sum!} ${size!} ${orig}`);
  }
  await edit(files, '.dsc', () => changed);
  await resum(files, files.get('greeter_3.0-3.dsc')!);
}

describe('versions', () => {
  let me: Uploader;
  const upload = async (
    version: string,
    change?: (files: Files) => Promise<void>,
  ): Promise<UploadOutcome[]> => {
    const files = await shelf.take('greeter', version);
    await change?.(files);
    await signFile(files, me);
    await putFiles(garage, 'versions', files);
    return round(garage);
  };
  beforeAll(async () => {
    me = await addUploader(garage, 'versions');
    await upload('3.0-2');
  });

  test('a lower one is refused', async () => {
    expect(await upload('3.0-1')).toMatchObject([refusal('3.0-1', '3.0-2')]);
  });

  test('the same one with other content is refused', async () => {
    expect(await upload('3.0-2', changeDsc)).toMatchObject([refusal('3.0-2', '3.0-2')]);
  });

  test('a higher one with another orig tarball of the same name is refused', async () => {
    expect(await upload('3.0-3', changeOrig)).toMatchObject([
      {
        code: 'file-exists',
        reason:
          'File greeter_3.0.orig.tar.xz already exists in bookworm, but uploaded version has different contents.',
      },
    ]);
  });
});

describe('things that are no files', () => {
  test.each(['symlink', 'fifo', 'folder'])('a %s in the place of a tarball is refused', async (kind) => {
    const me = await addUploader(garage, kind);
    const files = await shelf.take('greeter', '2.0-1');
    const orig = nameOf(files, '.orig.tar.xz');
    await signFile(files, me);
    const secret = path.join(garage.home.root, `secret-${kind}`);
    await rename(files.get(orig)!, secret);
    files.delete(orig);
    await putFiles(garage, kind, files);
    const place = path.join(garage.home.incoming, 'bookworm', kind, orig);
    if (kind === 'symlink') await symlink(secret, place);
    else if (kind === 'fifo') await runChecked(['mkfifo', place]);
    else await mkdir(place);
    expect(await round(garage)).toMatchObject([
      { status: 'rejected', code: 'not-a-regular-file', reason: `${orig} is not a regular file` },
    ]);
    expect(await namesIn(garage.home.incoming, 'bookworm', kind)).toEqual([]);
    expect((await readFile(secret)).length).toBeGreaterThan(0);
  });

  test.each(['symlink', 'fifo', 'folder'])('a %s named .changes is refused', async (kind) => {
    const login = `${kind}-trigger`;
    await addUploader(garage, login);
    const place = path.join(garage.home.incoming, 'bookworm', login, 'x_1_source.changes');
    await mkdir(path.dirname(place), { recursive: true });
    if (kind === 'symlink') await symlink('/etc/passwd', place);
    else if (kind === 'fifo') await runChecked(['mkfifo', place]);
    else await mkdir(place);
    expect(await round(garage)).toMatchObject([{ status: 'rejected', code: 'not-a-regular-file' }]);
    expect(await namesIn(path.dirname(place))).toEqual([]);
  });
});
