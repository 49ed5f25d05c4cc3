import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../errors/app-error.ts';
import type { ReadAt } from './ar.ts';
import {
  CONTROL_TAR_MAX_BYTES,
  debFileName,
  extractControl,
  readDebControl,
  type DebControl,
} from './deb.ts';

const CONTROL = `Package: hello
Source: greetings (1:2.0-1)
Version: 1:2.0-1+b1
Architecture: amd64
Maintainer: Größe <groesse@example.org>
Description: short
 long
 .
 more
`;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'deb-'));
  mkdirSync(path.join(folder, 'tree/DEBIAN'), { recursive: true });
  writeFileSync(path.join(folder, 'tree/DEBIAN/control'), CONTROL);
  writeFileSync(path.join(folder, 'tree/file'), 'content');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function build(...options: string[]): Buffer {
  const deb = path.join(folder, 'a.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', ...options, '--build', path.join(folder, 'tree'), deb]);
  return readFileSync(deb);
}

function reader(bytes: Uint8Array): ReadAt {
  return (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length));
}

/** As callers do it, with the limit that `decompressXz` must hold. */
function unxz(bytes: Uint8Array): Promise<Uint8Array> {
  return Promise.resolve(
    execFileSync('xz', ['-dc'], { input: bytes, maxBuffer: CONTROL_TAR_MAX_BYTES, stdio: 'pipe' }),
  );
}

async function controlOf(deb: Uint8Array): Promise<DebControl> {
  const { name, offset, size } = await readDebControl(reader(deb), deb.length);
  return extractControl(name, deb.subarray(offset, offset + size), unxz);
}

/** A member with its header, padded. */
function member(name: string, content: string | Uint8Array, size = String(content.length)): Buffer {
  const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${size.padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(header), Buffer.from(content), Buffer.alloc(content.length % 2, '\n')]);
}

function archive(...members: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('!<arch>\n'), ...members]);
}

async function tarOf(...files: [string, string | Uint8Array, ('file' | 'symlink')?][]): Promise<Buffer> {
  const tar = pack();
  for (const [name, content, type = 'file'] of files) {
    tar.entry(
      { name, type, ...(type === 'symlink' ? { linkname: '/etc/passwd' } : {}) },
      type === 'file' ? Buffer.from(content) : '',
    );
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const invalid = expect.objectContaining({ code: 'deb-invalid' }) as unknown as Error;
const binary = member('debian-binary', '2.0\n');
const data = member('data.tar', 'x');
const withControl = (name: string, content: Uint8Array): Buffer =>
  archive(binary, member(name, content), data);

describe('a real package', () => {
  it.each([
    ['xz', ['-Zxz']],
    ['gzip', ['-Zgzip']],
    ['zstd', ['-Zzstd']],
    ['none', ['-Znone', '--uniform-compression']],
    ['gzip for control', ['-Zxz', '--no-uniform-compression']],
  ])('packed with %s', async (_name, options) => {
    const control = await controlOf(build(...options));
    expect(control).toMatchObject({
      package: 'hello',
      version: '1:2.0-1+b1',
      architecture: 'amd64',
      source: 'greetings',
      sourceVersion: '1:2.0-1',
      text: CONTROL,
    });
    expect(control.paragraph.get('Description')).toBe('short\n long\n .\n more');
    expect(debFileName(control)).toBe('hello_2.0-1+b1_amd64.deb');
  });

  it('may have members that start with an underscore', async () => {
    const control = await tarOf(['control', CONTROL]);
    const deb = archive(binary, member('_extra', 'abc'), member('control.tar', control), data);
    await expect(controlOf(deb)).resolves.toMatchObject({ package: 'hello' });
  });
});

describe('refuses', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('not a package at all')],
    ['an empty archive', archive()],
    ['no control', archive(binary, data)],
    ['no data', archive(binary, member('control.tar', ''))],
    ['data before control', archive(binary, data, member('control.tar', ''))],
    ['two controls', archive(binary, member('control.tar', ''), member('control.tar.gz', ''), data)],
    ['a further member', archive(binary, member('control.tar', ''), data, member('x', ''))],
    ['another format', archive(member('debian-binary', '3.0\n'), member('control.tar', ''), data)],
    ['something before debian-binary', archive(member('_x', ''), binary, member('control.tar', ''), data)],
    ['an unknown packing', archive(binary, member('control.tar.rar', ''), data)],
    ['a size past the end', archive(binary, member('control.tar', 'x', '9999999999'), data)],
    ['a negative size', archive(binary, member('control.tar', 'x', '-1'), data)],
    ['a long name', archive(binary, member('#1/20', 'x'), data)],
    ['many members', archive(...Array.from({ length: 40 }, () => member('_x', '')))],
    ['a cut header', archive(binary).subarray(0, 40)],
    ['gzip that is none', withControl('control.tar.gz', Buffer.from('xxxx'))],
    ['zstd that is none', withControl('control.tar.zst', Buffer.from('xxxx'))],
    ['xz that is none', withControl('control.tar.xz', Buffer.from('xxxx'))],
    ['a tar that is none', withControl('control.tar', Buffer.alloc(600, 'x'))],
    ['an empty tar', withControl('control.tar', Buffer.alloc(1024))],
    ['a bomb', withControl('control.tar.gz', gzipSync(Buffer.alloc(CONTROL_TAR_MAX_BYTES + 1)))],
  ])('%s', async (_what, deb) => {
    await expect(controlOf(deb)).rejects.toThrow(invalid);
  });

  it.each<[string, Parameters<typeof tarOf>]>([
    ['a tar without control', [['./md5sums', 'x']]],
    [
      'two control files',
      [
        ['./control', CONTROL],
        ['control', CONTROL],
      ],
    ],
    ['a link for control', [['control', '', 'symlink']]],
    ['a huge control', [['control', `${CONTROL}X: ${'y'.repeat(2_000_000)}\n`]]],
    ['a control elsewhere', [['a/control', CONTROL]]],
    ['what is not UTF-8', [['control', Buffer.from(CONTROL, 'latin1')]]],
    ['two paragraphs', [['control', `${CONTROL}\nPackage: other\n`]]],
    ['a path for a name', [['control', CONTROL.replace('Package: hello', 'Package: ../hello')]]],
    ['a bad version', [['control', CONTROL.replace('Version: 1:2.0', 'Version: 1/2')]]],
    ['a bad source', [['control', CONTROL.replace('greetings', '../x')]]],
    ['no architecture', [['control', CONTROL.replace('Architecture: amd64\n', '')]]],
  ])('%s', async (_what, files) => {
    await expect(controlOf(withControl('control.tar', await tarOf(...files)))).rejects.toThrow(invalid);
  });

  it('any damage with its own error, or reads through it', async () => {
    const whole = build('-Znone', '--uniform-compression');
    const change = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 0, max: 255 }));
    const damage = fc.tuple(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat({ max: whole.length }));
    await fc.assert(
      fc.asyncProperty(damage, async ([changes, length]) => {
        const copy = Buffer.from(whole.subarray(0, length % 3 === 0 ? length : whole.length));
        for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
        const outcome = await controlOf(copy).then(
          () => 'deb-invalid',
          (error: unknown) => (error instanceof AppError ? error.code : String(error)),
        );
        expect(outcome).toBe('deb-invalid');
      }),
      { numRuns: 300 },
    );
  });
});
