/**
 * `<name>-archive-keyring`: the archive's public keys as a package, source and binary, so that clients get
 * new keys by upgrading. Made here, without tools, from the keys and the version alone: the same give the
 * same bytes. The source builds with debhelper like any other.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { formatParagraph, Paragraph } from '../../../shared/debian/deb822.ts';
import { packTar, writeDeb } from '../../../shared/debian/write-deb.ts';
import { keyringPackageName, keyringPath } from '../../../shared/protocol/names.ts';

export interface KeyringFacts {
  /** The archive's. */
  name: string;
  /** Of the maintainer. */
  email: string;
  /** `20260131.4`; its date is the files' time. */
  version: string;
  /** For the changelog. */
  product: string;
  keyring: Uint8Array;
}

export interface MadeFile {
  name: string;
  content: Buffer;
}

const STANDARDS = '4.6.2';
const RULES = '#!/usr/bin/make -f\n%:\n\tdh $@\n';

/** The .dsc, its tar and the .deb, in this order. */
export async function makeKeyringPackage(facts: KeyringFacts): Promise<MadeFile[]> {
  const source = keyringPackageName(facts.name);
  const { version } = facts;
  const tar = { name: `${source}_${version}.tar.gz`, content: await sourceTar(facts, source) };
  return [
    { name: `${source}_${version}.dsc`, content: Buffer.from(dscOf(facts, source, tar)) },
    tar,
    { name: `${source}_${version}_all.deb`, content: await binaryOf(facts, source) },
  ];
}

function timeOf({ version }: KeyringFacts): Date {
  const [, year = '', month = '', day = ''] = /^(\d{4})(\d{2})(\d{2})\./.exec(version) ?? [];
  return new Date(`${year}-${month}-${day}T00:00:00Z`);
}

function maintainer({ name, email }: KeyringFacts): string {
  return `${name} archive <${email}>`;
}

function description({ name }: KeyringFacts): string {
  return `OpenPGP keys of the ${name} archive\n The keys that sign its Release files, for Signed-By in apt's sources.\n When they change, an upgrade of this package brings the new ones.`;
}

function copyright({ name }: KeyringFacts): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: ${name}\nLicense: public-domain\n These are public keys; there is nothing in them that copyright covers.\n`;
}

function changelog(facts: KeyringFacts, source: string): string {
  const date = timeOf(facts).toUTCString().replace('GMT', '+0000');
  return `${source} (${facts.version}) ${facts.product}; urgency=medium\n\n  * The archive's keys as they are now.\n\n -- ${maintainer(facts)}  ${date}\n`;
}

async function sourceTar(facts: KeyringFacts, source: string): Promise<Buffer> {
  const stanza = Paragraph.from([
    ...binaryFields(source),
    ['Depends', '${misc:Depends}'],
    ['Multi-Arch', 'foreign'],
    ['Description', description(facts)],
  ]);
  const control = Paragraph.from([
    ['Source', source],
    ['Section', 'misc'],
    ['Priority', 'optional'],
    ['Maintainer', maintainer(facts)],
    ['Build-Depends', 'debhelper-compat (= 13)'],
    ['Standards-Version', STANDARDS],
    ['Rules-Requires-Root', 'no'],
  ]);
  const keyring = `${source}.gpg`;
  const files = [
    { path: 'debian/changelog', content: changelog(facts, source) },
    { path: 'debian/control', content: `${formatParagraph(control)}\n${formatParagraph(stanza)}` },
    { path: 'debian/copyright', content: copyright(facts) },
    { path: 'debian/install', content: `${keyring} usr/share/keyrings\n` },
    { path: 'debian/rules', content: RULES, mode: 0o755 },
    { path: 'debian/source/format', content: '3.0 (native)\n' },
    { path: keyring, content: facts.keyring },
  ];
  return packTar(files, { prefix: `${source}-${facts.version}/`, time: timeOf(facts), folders: true });
}

function binaryFields(source: string): [string, string][] {
  return [
    ['Package', source],
    ['Architecture', 'all'],
  ];
}

async function binaryOf(facts: KeyringFacts, source: string): Promise<Buffer> {
  const documents = `usr/share/doc/${source}`;
  const files = [
    { path: `${documents}/changelog.gz`, content: gzipSync(changelog(facts, source), { level: 9 }) },
    { path: `${documents}/copyright`, content: copyright(facts) },
    { path: keyringPath(facts.name).slice(1), content: facts.keyring },
  ];
  const kilobytes = Math.ceil(files.reduce((sum, file) => sum + file.content.length, 0) / 1024);
  const control = Paragraph.from([
    ...binaryFields(source),
    ['Version', facts.version],
    ['Maintainer', maintainer(facts)],
    ['Installed-Size', String(kilobytes)],
    ['Section', 'misc'],
    ['Priority', 'optional'],
    ['Multi-Arch', 'foreign'],
    ['Description', description(facts)],
  ]);
  return writeDeb(formatParagraph(control), files, timeOf(facts));
}

function dscOf(facts: KeyringFacts, source: string, tar: MadeFile): string {
  const line = (algorithm: string): string =>
    `\n ${createHash(algorithm).update(tar.content).digest('hex')} ${String(tar.content.length)} ${tar.name}`;
  return formatParagraph(
    Paragraph.from([
      ['Format', '3.0 (native)'],
      ['Source', source],
      ['Binary', source],
      ['Architecture', 'all'],
      ['Version', facts.version],
      ['Maintainer', maintainer(facts)],
      ['Standards-Version', STANDARDS],
      ['Build-Depends', 'debhelper-compat (= 13)'],
      ['Package-List', `\n ${source} deb misc optional arch=all`],
      ['Checksums-Sha1', line('sha1')],
      ['Checksums-Sha256', line('sha256')],
      ['Files', line('md5')],
    ]),
  );
}
