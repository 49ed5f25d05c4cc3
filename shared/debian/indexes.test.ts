import { describe, expect, it } from 'vitest';
import { parseParagraph } from './deb822.ts';
import { packagesStanza, releaseFile, sourcesStanza, type ReleaseFacts } from './indexes.ts';

/** Byte for byte against apt-ftparchive: test/integration/indexes.test.ts. Here is what apt does not check. */
const sums = { size: 5, md5: 'a'.repeat(32), sha1: 'b'.repeat(40), sha256: 'c'.repeat(64) };
const control = parseParagraph('Description: x\n long\nPackage: hello\nVersion: 1\nArchitecture: all\n');

describe('packagesStanza', () => {
  it("lets nothing of the package's own stand where the archive speaks", () => {
    const lying = control.clone().set('SHA512', 'd'.repeat(128)).set('Status', 'install ok installed');
    lying.set('filename', '../../etc/passwd').set('Size', '1').set('Description-md5', 'e');
    const stanza = parseParagraph(packagesStanza(lying, { path: 'pool/hello_1_all.deb', ...sums }));
    expect(stanza.names().join(' ')).toBe(
      'Package Architecture Version Filename Size MD5sum SHA1 SHA256 Description',
    );
    expect(stanza.get('Filename')).toBe('pool/hello_1_all.deb');
  });

  it('leaves the paragraph it was given as it is', () => {
    packagesStanza(control, { path: 'pool/a.deb', ...sums });
    expect(control.names()).toEqual(['Description', 'Package', 'Version', 'Architecture']);
  });

  it.each([
    '../a.deb',
    '/a.deb',
    'pool//a.deb',
    'pool/./a.deb',
    'pool/.a.deb',
    'pool/a b.deb',
    'pool/a.deb\nX: y',
    '',
  ])('refuses the path %j', (path) => {
    expect(() => packagesStanza(control, { path, ...sums })).toThrow(
      expect.objectContaining({ code: 'pool-path-invalid' }),
    );
  });
});

describe('sourcesStanza', () => {
  const lists =
    `Checksums-Sha1:\n ${sums.sha1} 5 hello_1.tar.xz\nChecksums-Sha256:\n ${sums.sha256} 5 hello_1.tar.xz\n` +
    `Files:\n ${sums.md5} 5 hello_1.tar.xz\n`;
  const dsc = parseParagraph(
    `Format: 3.0 (native)\nSource: hello\nVersion: 1\nX-Kept: y\nDgit: z\n${lists}Checksums-Sha512:\n a 5 x\n`,
  );
  const dscFile = { name: 'hello_1.dsc', ...sums };

  it('names the .dsc first and nothing that was not checked', () => {
    const text = sourcesStanza(dsc, dscFile, 'pool/main/h/hello', { section: 'devel', priority: 'optional' });
    const stanza = parseParagraph(text);
    expect(stanza.names().join(' ')).toBe(
      'Package Format Version Priority Section Directory Files Checksums-Sha1 Checksums-Sha256 X-Kept Dgit',
    );
    expect(stanza.lines('Files')).toEqual([`${sums.md5} 5 hello_1.dsc`, `${sums.md5} 5 hello_1.tar.xz`]);
  });

  it('wants every sum', () => {
    const partial = dsc.clone();
    partial.delete('Checksums-Sha1');
    expect(() => sourcesStanza(partial, dscFile, 'pool', { section: 'a', priority: 'b' })).toThrow(
      expect.objectContaining({ code: 'checksums-incomplete' }),
    );
  });
});

describe('releaseFile', () => {
  const facts: ReleaseFacts = {
    ...{
      origin: 'Example',
      label: 'Example devel',
      suite: 'devel',
      codename: 'bookworm',
      description: 'für alle',
    },
    date: new Date('2026-11-20T07:04:37.9Z'),
    validUntil: new Date('2026-11-27T07:04:37Z'),
    architectures: ['amd64', 'all'],
    components: ['main'],
    acquireByHash: true,
    notAutomatic: true,
    butAutomaticUpgrades: true,
    files: [
      { path: 'main/source/Sources', size: 12_345, sha256: 'c'.repeat(64) },
      { path: 'main/binary-amd64/Packages', size: 0, md5: 'a'.repeat(32), sha256: 'b'.repeat(64) },
    ],
  };

  it('is the file apt reads, sorted, in UTC', () => {
    expect(releaseFile(facts)).toBe(`Origin: Example
Label: Example devel
Suite: devel
Codename: bookworm
Date: Fri, 20 Nov 2026 07:04:37 UTC
Valid-Until: Fri, 27 Nov 2026 07:04:37 UTC
NotAutomatic: yes
ButAutomaticUpgrades: yes
Acquire-By-Hash: yes
Architectures: amd64 all
Components: main
Description: für alle
MD5Sum:
 ${'a'.repeat(32)}                0 main/binary-amd64/Packages
SHA256:
 ${'b'.repeat(64)}                0 main/binary-amd64/Packages
 ${'c'.repeat(64)}            12345 main/source/Sources
`);
  });

  it('leaves out what is not wanted', () => {
    const { validUntil: _none, ...rest } = facts;
    const text = releaseFile({
      ...rest,
      acquireByHash: false,
      notAutomatic: false,
      butAutomaticUpgrades: false,
      files: [],
    });
    expect(text).not.toMatch(/Valid-Until|Automatic|By-Hash|MD5Sum/);
  });

  it.each<[string, Partial<ReleaseFacts>, string]>([
    ['a value that breaks out', { description: 'a\nOrigin: b' }, 'deb822-invalid'],
    ['an index twice', { files: facts.files.concat(facts.files) }, 'release-invalid'],
    ['an index elsewhere', { files: [{ path: '../x', size: 1, sha256: '' }] }, 'release-invalid'],
    ['a date that is none', { date: new Date(Number.NaN) }, 'release-invalid'],
  ])('refuses %s', (_what, change, code) => {
    expect(() => releaseFile({ ...facts, ...change })).toThrow(expect.objectContaining({ code }));
  });
});
