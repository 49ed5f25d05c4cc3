import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { changesFileNameMatches, parseChanges } from './changes.ts';

const fixtures = new URL('../../test/fixtures/debian/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, fixtures), 'utf8');
const quilt = read('quilt-sample_2.0~rc1-1_source.changes');

function refusal(code: string): unknown {
  return expect.objectContaining({ code });
}

describe('parseChanges on what dpkg-genchanges wrote', () => {
  it('reads a source upload', () => {
    const changes = parseChanges(quilt);
    expect(changes).toMatchObject({
      format: '1.8',
      distribution: 'bookworm',
      source: 'quilt-sample',
      sourceVersion: '1:2.0~rc1-1',
      version: '1:2.0~rc1-1',
      architectures: ['source'],
      maintainer: 'Packagers, Joint <packagers@example.org>',
      changedBy: 'Équipe d’exemple <equipe@example.org>',
      urgency: 'low',
      closes: ['123456', '654321'],
      binaries: [],
    });
    expect(changes.changes.split('\n').slice(0, 3)).toEqual([
      'quilt-sample (1:2.0~rc1-1) bookworm; urgency=low (HIGH for users of the old one)',
      '',
      '  * Größe, naïveté, 日本語: not ASCII. (Closes: #123456, #654321)',
    ]);
  });

  it('joins the three lists of files', () => {
    const { files, dsc } = parseChanges(quilt);
    expect(files.map((file) => file.name)).toHaveLength(6);
    expect(files[1]).toMatchObject({ size: expect.any(Number), section: 'devel', priority: 'optional' });
    expect(files.map((file) => [file.md5.length, file.sha1.length, file.sha256.length])).toEqual(
      files.map(() => [32, 40, 64]),
    );
    expect(dsc?.name).toBe('quilt-sample_2.0~rc1-1.dsc');
  });

  it('reads a binNMU', () => {
    const changes = parseChanges(read('quilt-sample_2.0~rc1-1+b1_amd64.changes'));
    expect(changes).toMatchObject({
      source: 'quilt-sample',
      sourceVersion: '1:2.0~rc1-1',
      version: '1:2.0~rc1-1+b1',
      architectures: ['amd64'],
      binaries: ['libquilt-sample1'],
      dsc: null,
    });
  });

  it.each(['native-sample_1.2+nmu1', 'old-sample_0.9-3', 'old-native_7'])('reads %s', (name) => {
    expect(parseChanges(read(`${name}_source.changes`)).dsc?.name).toBe(`${name}.dsc`);
  });
});

describe('parseChanges refuses', () => {
  const files = /^Files:\n(?: .*\n?)+/m;
  const sha256 = /^Checksums-Sha256:\n(?: .*\n)+/m;

  it.each([
    ['a missing sum field', quilt.replace(sha256, ''), 'checksums-incomplete'],
    ['a missing Files field', quilt.replace(files, ''), 'checksums-incomplete'],
    ['a file missing in one list', quilt.replace(/(Checksums-Sha1:\n) .*\n/, '$1'), 'checksums-incomplete'],
    [
      'a file that Files does not list',
      quilt.replace(/ .* quilt-sample_2.0~rc1.orig.tar.xz.asc\n(?! .*sha)(?=.*debian.tar.xz\n*$)/, ''),
      'checksums-incomplete',
    ],
    ['sizes that differ', quilt.replace(/( [0-9a-f]{64}) \d+/, '$1 7'), 'checksums-conflict'],
    ['a short sum', quilt.replace(/ [0-9a-f]{60}/, ' '), 'file-list-invalid'],
    ['a negative size', quilt.replace(/( [0-9a-f]{64}) /, '$1 -'), 'file-list-invalid'],
    [
      'a path',
      quilt.replaceAll('quilt-sample_2.0~rc1.orig.tar.xz\n', '../quilt-sample.orig.tar.xz\n'),
      'file-name-invalid',
    ],
    [
      'a hidden file',
      quilt.replaceAll('quilt-sample_2.0~rc1.orig.tar.xz\n', '.bashrc\n'),
      'file-name-invalid',
    ],
    ['a file listed twice', quilt.replace(/(Files:\n)(.*\n)/, '$1$2$2'), 'file-listed-twice'],
    ['a foreign .dsc', quilt.replaceAll('quilt-sample_2.0~rc1-1.dsc', 'other_1.dsc'), 'file-name-conflict'],
    ['source without a .dsc', quilt.replaceAll('1-1.dsc', '1-1.dcs'), 'changes-invalid'],
    [
      'a .dsc without source',
      quilt.replace('Architecture: source', 'Architecture: amd64'),
      'changes-invalid',
    ],
    ['another format', quilt.replace('Format: 1.8', 'Format: 1.7'), 'changes-format-unsupported'],
    ['a source name with a path', quilt.replace('Source: quilt-sample', 'Source: ../x'), 'changes-invalid'],
    ['a bad version', quilt.replace('Version: 1:2', 'Version: 1/2'), 'version-invalid'],
    ['two distributions', quilt.replace('bookworm\n', 'bookworm sid\n'), 'changes-invalid'],
    ['a missing field', quilt.replace(/^Maintainer: .*\n/m, ''), 'deb822-missing-field'],
    ['a second paragraph', `${quilt}\n\nSource: other\n`, 'deb822-invalid'],
    ['armor', `-----BEGIN PGP SIGNED MESSAGE-----\n${quilt}`, 'deb822-invalid'],
  ])('%s', (_what, text, code) => {
    expect(text).not.toBe(quilt);
    expect(() => parseChanges(text)).toThrow(refusal(code));
  });
});

describe('changesFileNameMatches', () => {
  const changes = { source: 'hello', version: '1:2.0-1' };

  it.each(['hello_2.0-1_source.changes', 'hello_2.0-1_amd64.changes', 'hello_2.0-1_amd64+all.changes'])(
    '%s',
    (name) => {
      expect(changesFileNameMatches(name, changes)).toBe(true);
    },
  );

  it.each([
    'hello_1:2.0-1_source.changes',
    'hello_2.0-2_source.changes',
    'hello_2.0-1_.changes',
    'hello_2.0-1_a_b.changes',
    'hello_2.0-1_source.changes.x',
  ])('not %s', (name) => {
    expect(changesFileNameMatches(name, changes)).toBe(false);
  });
});
