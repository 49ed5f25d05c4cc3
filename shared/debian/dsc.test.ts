import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dscFileName, expectedFilesOf, parseDsc } from './dsc.ts';

const fixtures = new URL('../../test/fixtures/debian/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, fixtures), 'utf8');
const quilt = read('quilt-sample_2.0~rc1-1.dsc');

function listedFile(name: string): { name: string; size: number; md5: string; sha1: string; sha256: string } {
  return { name, size: 1, md5: '', sha1: '', sha256: '' };
}

describe('parseDsc on what dpkg-source wrote', () => {
  it('reads 3.0 (quilt) with several orig components', () => {
    const dsc = parseDsc(quilt);
    expect(dsc).toMatchObject({
      format: '3.0 (quilt)',
      source: 'quilt-sample',
      version: '1:2.0~rc1-1',
      binaries: ['libquilt-sample1', 'quilt-sample-udeb', 'quilt-sample-doc'],
      architectures: ['linux-any', 'all'],
      uploaders: ['Beispielgröße <groesse@example.org>', 'Packagers, Second <second@example.org>'],
      buildDepends: 'gcc [linux-any], libc6-dev (>= 2.36) [!hurd-i386] <!nocheck>, python3:any',
      buildDependsIndep: 'texinfo',
      buildConflicts: 'autoconf2.13',
      buildDependsArch: '',
      testsuite: ['autopkgtest'],
    });
    expect(dsc.origTarballs.map((file) => file.name)).toEqual([
      'quilt-sample_2.0~rc1.orig.tar.xz',
      'quilt-sample_2.0~rc1.orig-docs.tar.bz2',
      'quilt-sample_2.0~rc1.orig-test-data.tar.gz',
    ]);
    expect(dsc.layout.components.map(({ component }) => component)).toEqual(['docs', 'test-data']);
    expect(dsc.layout.signatures.map((file) => file.name)).toEqual(['quilt-sample_2.0~rc1.orig.tar.xz.asc']);
    expect(dsc.layout.packaging?.name).toBe('quilt-sample_2.0~rc1-1.debian.tar.xz');
  });

  it('reads Package-List', () => {
    expect(parseDsc(quilt).packageList).toMatchObject([
      {
        name: 'libquilt-sample1',
        type: 'deb',
        section: 'devel',
        priority: 'optional',
        architectures: ['linux-any'],
      },
      { name: 'quilt-sample-doc', section: 'doc', architectures: ['all'], attributes: { profile: '!nodoc' } },
      { name: 'quilt-sample-udeb', type: 'udeb', architectures: ['amd64', 'i386'] },
    ]);
  });

  it.each([
    ['native-sample_1.2+nmu1.dsc', '3.0 (native)', true],
    ['old-sample_0.9-3.dsc', '1.0', false],
    ['old-native_7.dsc', '1.0', true],
  ])('reads %s', (name, format, native) => {
    const dsc = parseDsc(read(name));
    expect(dsc).toMatchObject({ format, layout: { native } });
    expect(dsc.origTarballs).toHaveLength(native ? 0 : 1);
    expect(dscFileName(dsc.source, dsc.version)).toBe(name);
  });
});

describe('parseDsc refuses', () => {
  it.each([
    ['an unknown format', quilt.replace('3.0 (quilt)', '3.0 (git)'), 'dsc-format-unsupported'],
    [
      'files of another version',
      quilt.replace('Version: 1:2.0~rc1-1', 'Version: 1:2.0~rc1-2'),
      'dsc-files-unexpected',
    ],
    [
      'files of another source',
      quilt.replace('Source: quilt-sample', 'Source: quilt'),
      'dsc-files-unexpected',
    ],
    ['a stray file', quilt.replaceAll('orig-docs.tar.bz2', 'orig-docs.zip'), 'dsc-files-unexpected'],
    [
      'a native package with a quilt layout',
      quilt.replace('3.0 (quilt)', '3.0 (native)'),
      'dsc-files-unexpected',
    ],
    ['1.0 with xz', quilt.replace('3.0 (quilt)', '1.0'), 'dsc-files-unexpected'],
    [
      'a signature without its file',
      quilt.replaceAll('orig.tar.xz.asc', 'orig.tar.gz.asc'),
      'dsc-files-unexpected',
    ],
    ['a missing sum', quilt.replace(/^Checksums-Sha1:\n/m, 'Other:\n'), 'checksums-incomplete'],
    ['a bad architecture', quilt.replace('linux-any all\n', 'linux-any $(id)\n'), 'dsc-invalid'],
    ['a bad binary', quilt.replace('Binary: lib', 'Binary: ../lib'), 'dsc-invalid'],
    ['a bad Package-List', quilt.replace('deb doc optional', 'deb'), 'dsc-invalid'],
  ])('%s', (_what, text, code) => {
    expect(text).not.toBe(quilt);
    expect(() => parseDsc(text)).toThrow(expect.objectContaining({ code }));
  });
});

describe('expectedFilesOf', () => {
  const dsc = { source: 'a', version: '1.0-1', format: '3.0 (quilt)' as const };

  it.each([
    ['no orig', ['a_1.0-1.debian.tar.xz'], 'has no tarball'],
    ['no packaging', ['a_1.0.orig.tar.xz'], 'has no .debian.tar'],
    [
      'two origs',
      ['a_1.0.orig.tar.xz', 'a_1.0.orig.tar.gz', 'a_1.0-1.debian.tar.xz'],
      'several main tarballs',
    ],
    [
      'two packagings',
      ['a_1.0.orig.tar.xz', 'a_1.0-1.debian.tar.gz', 'a_1.0-1.debian.tar.xz'],
      'packaging twice',
    ],
    [
      'a component twice',
      ['a_1.0.orig.tar.xz', 'a_1.0.orig-x.tar.gz', 'a_1.0.orig-x.tar.xz', 'a_1.0-1.debian.tar.xz'],
      "component 'x'",
    ],
  ])('refuses %s', (_what, names, message) => {
    expect(() => expectedFilesOf({ ...dsc, files: names.map(listedFile) })).toThrow(message);
  });
});
