import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFileList } from './read-file-list.ts';
import { readSourceList } from './read-source-list.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'file-list-'));
});
afterAll(() => rm(root, { recursive: true }));

function write(file: string, text = file): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

/** A .deb by dpkg-deb. */
function build(name: string, compression: string): string {
  const control = `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: x\n`;
  write(`${name}/DEBIAN/control`, control);
  write(`${name}/usr/bin/tool`, 'x'.repeat(200_000));
  write(`${name}/usr/share/doc/two words`);
  symlinkSync('tool', path.join(root, name, 'usr/bin/also'));
  const file = path.join(root, `${name}.deb`);
  execFileSync('dpkg-deb', [
    `-Z${compression}`,
    '--root-owner-group',
    '--build',
    path.join(root, name),
    file,
  ]);
  return file;
}

function tar(name: string, ...files: string[]): string {
  const file = path.join(root, name);
  execFileSync('tar', [
    '--create',
    '--auto-compress',
    '--format=pax',
    '--directory',
    root,
    '--file',
    file,
    ...files,
  ]);
  return file;
}

const EXPECTED = ['usr/bin/also', 'usr/bin/tool', 'usr/share/doc/two words'];
const read = (file: string): Promise<string[]> => readFileList(file, statSync(file).size);

describe('the files of a .deb', () => {
  it.each(['gzip', 'xz', 'zstd', 'none'])('are read from %s, links too, folders not', async (compression) => {
    expect(await read(build(`by-${compression}`, compression))).toEqual(EXPECTED);
  });

  it('are those that dpkg-deb lists', async () => {
    const file = build('listed', 'xz');
    const lines = execFileSync('dpkg-deb', ['--contents', file]).toString().trim().split('\n');
    const paths = lines.map((line) => line.split(/ \.\//)[1]?.split(' -> ')[0] ?? '');
    expect(await read(file)).toEqual(paths.filter((each) => !each.endsWith('/') && each !== '').toSorted());
  });

  it.each(['gzip', 'xz', 'zstd', 'none'])('of %s that was cut off are refused', async (compression) => {
    const whole = readFileSync(build(`cut-${compression}`, compression));
    const cut = path.join(root, 'cut.deb');
    // The member's size in the ar header must fit, or that is what is refused.
    const data = whole.indexOf('data.tar');
    const size = Number(whole.toString('latin1', data + 48, data + 58));
    const smaller = Buffer.from(whole.subarray(0, data + 60 + (size >> 1)));
    smaller.write(String(size >> 1).padEnd(10), data + 48, 'latin1');
    writeFileSync(cut, smaller);
    await expect(read(cut)).rejects.toMatchObject({ code: 'deb-invalid' });
  });

  it('of something else than the name says are refused', async () => {
    const file = build('lying', 'gzip');
    const bytes = readFileSync(file);
    bytes.write('data.tar.xz ', bytes.indexOf('data.tar.gz'), 'latin1');
    writeFileSync(file, bytes);
    await expect(read(file)).rejects.toMatchObject({ code: 'deb-invalid' });
  });
});

describe('the files of a source', () => {
  it('are its tars laid over each other, as dpkg-source does', async () => {
    for (const file of ['hello-1/src/main.c', 'extra-1/lib.c', 'debian/rules']) write(file);
    const files = [
      tar('hello_1.orig.tar.gz', 'hello-1'),
      tar('hello_1.orig-extra.tar.xz', 'extra-1'),
      tar('hello_1-1.debian.tar.xz', 'debian'),
      path.join(root, 'hello_1-1.dsc'),
    ];
    expect(await readSourceList(files)).toEqual(['debian/rules', 'extra/lib.c', 'src/main.c']);
  });

  it('that are broken are refused, and nothing else happens', async () => {
    const file = path.join(root, 'broken_1-1.diff.gz');
    writeFileSync(file, 'no gzip at all');
    await expect(readSourceList([file])).rejects.toMatchObject({ code: 'deb-invalid' });
  });

  it.each(['tar.xz', 'tar.gz', 'diff.gz'])(
    'that cannot be read (%s) are our own trouble, not the package’s',
    async (ending) => {
      const file = path.join(root, `absent.${ending}`);
      await expect(readSourceList([file])).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );

  it('are a tar and what a diff adds in format 1.0', async () => {
    write('old-1/a.c');
    const diff =
      '--- old-1.orig/debian/rules\n+++ old-1/debian/rules\n@@ -0,0 +1 @@\n+x\n--- old-1.orig/a.c\t2020\n+++ old-1/a.c\t2020\n';
    const file = path.join(root, 'old_1-1.diff.gz');
    writeFileSync(file, execFileSync('gzip', ['-c'], { input: diff }));
    expect(await readSourceList([tar('old_1.orig.tar.bz2', 'old-1'), file])).toEqual(['a.c', 'debian/rules']);
  });
});
