/** The table of bad uploads, each with the words that its uploader must read. */
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BAD_BINARIES } from './bad-uploads/binaries.ts';
import type { BadUpload } from './bad-uploads/case.ts';
import { BAD_FILES } from './bad-uploads/files.ts';
import { BAD_SIGNATURES } from './bad-uploads/signatures.ts';
import { BAD_TARGETS } from './bad-uploads/targets.ts';
import { BAD_TEXTS } from './bad-uploads/texts.ts';
import { edit, flipByte, resum, signFile } from './uploading.ts';

const ORIG = 'greeter_1.0.orig.tar.xz';
const CHANGES = 'greeter_1.0-1_source.changes';

/** Takes a name out of every list of a .changes. */
function unlisting(name: string): (text: string) => string {
  return (text) =>
    text
      .split('\n')
      .filter((line) => !line.endsWith(` ${name}`))
      .join('\n');
}

const FIRST_FINDS: BadUpload[] = [
  {
    title: 'a tarball with other content',
    code: 'checksum-mismatch',
    reason: `md5sum for ${ORIG} does not match that specified in .changes`,
    make: async (files, { me }) => {
      await signFile(files, me);
      await flipByte(files.get(ORIG)!);
    },
  },
  {
    title: 'a wrong SHA-256 where MD5 and SHA-1 are right',
    code: 'checksum-mismatch',
    reason: `sha256sum for ${ORIG} does not match that specified in .changes`,
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) =>
        text.replace(/^ [0-9a-f]{64} (\d+ greeter_1\.0\.orig)/m, ` ${'0'.repeat(64)} $1`),
      );
      await signFile(files, me);
    },
  },
  {
    title: 'a wrong SHA-1 in the .dsc',
    code: 'checksum-mismatch',
    reason: `sha1sum for ${ORIG} does not match that specified in .dsc`,
    make: async (files, { me }) => {
      await edit(files, '.dsc', (text) =>
        text.replace(/^ [0-9a-f]{40} (\d+ greeter_1\.0\.orig)/m, ` ${'0'.repeat(40)} $1`),
      );
      files.delete(CHANGES);
      await signFile(files, me, '.dsc');
    },
  },
  {
    title: 'a truncated file',
    code: 'file-size-mismatch',
    reason: `File size for ${ORIG} does not match that specified in .changes`,
    make: async (files, { me }) => {
      await signFile(files, me);
      await truncate(files.get(ORIG)!, 100);
    },
  },
  {
    title: 'a listed file that never comes',
    code: 'file-missing',
    reason: `Can't stat ${ORIG}: No such file or directory`,
    make: async (files, { me }) => {
      await signFile(files, me);
      files.delete(ORIG);
    },
  },
  {
    title: 'an orig tarball that nobody has',
    code: 'orig-missing',
    reason: `Refers to non-existing file '${ORIG}'`,
    hint: /-sa/,
    make: async (files, { me }) => {
      await edit(files, '.changes', unlisting(ORIG));
      await signFile(files, me);
      files.delete(ORIG);
    },
  },
  {
    title: 'a .debian.tar that only the .dsc lists',
    code: 'file-missing',
    reason: "Refers to non-existing file 'greeter_1.0-1.debian.tar.xz'",
    make: async (files, { me }) => {
      await edit(files, '.changes', unlisting('greeter_1.0-1.debian.tar.xz'));
      await signFile(files, me);
      files.delete('greeter_1.0-1.debian.tar.xz');
    },
  },
  {
    title: 'no signature',
    code: 'signature-missing',
    reason: '.changes is not signed.',
    hint: /debsign/,
    make: () => Promise.resolve(),
  },
  {
    title: 'an unknown key',
    code: 'signature-unknown-key',
    reason: '.changes signed by unknown key.',
    make: (files, { stranger }) => signFile(files, stranger),
  },
  {
    title: 'the key of a disabled account',
    code: 'signature-unknown-key',
    reason: '.changes signed by unknown key.',
    make: (files, { dismissed }) => signFile(files, dismissed),
  },
  {
    title: 'text changed after it was signed',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => text.replace('Urgency: medium', 'Urgency: low'));
    },
  },
  {
    title: 'unsigned text before the signed',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => `Source: other\n\n${text}`);
    },
  },
  {
    title: 'a .dsc by an unknown key within a good .changes',
    code: 'signature-unknown-key',
    reason: '.dsc signed by unknown key.',
    make: async (files, { me, stranger }) => {
      await signFile(files, stranger, '.dsc');
      const folder = path.dirname(files.get(CHANGES)!);
      await resum(files, path.join(folder, 'greeter_1.0-1.dsc'));
      await signFile(files, me);
    },
  },
  {
    title: 'an unsigned .dsc on its own',
    code: 'signature-missing',
    reason: '.dsc is not signed.',
    make: (files) => Promise.resolve(files.delete(CHANGES)),
  },
  {
    title: 'a .dsc on its own whose packaging never comes',
    code: 'file-missing',
    reason: "Can't stat greeter_1.0-1.debian.tar.xz: No such file or directory",
    make: async (files, { me }) => {
      files.delete(CHANGES);
      files.delete('greeter_1.0-1.debian.tar.xz');
      await signFile(files, me, '.dsc');
    },
  },
  {
    title: 'a .dsc on its own whose orig tarball nobody has',
    code: 'orig-missing',
    reason: `Refers to non-existing file '${ORIG}'`,
    make: async (files, { me }) => {
      files.delete(CHANGES);
      files.delete(ORIG);
      await signFile(files, me, '.dsc');
    },
  },
  {
    title: 'a signature block that is noise',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => text.replace(/^(wnUE|wsB|iQ|wr).*$/m, 'AAAA'));
    },
  },
  {
    title: 'a name that leaves the folder',
    code: 'file-name-invalid',
    reason: /'\.\.\/victim\/greeter_1\.0\.orig\.tar\.xz' is not allowed/,
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) => text.replaceAll(` ${ORIG}`, ` ../victim/${ORIG}`));
      await signFile(files, me);
      files.delete(ORIG);
    },
  },
  {
    title: 'an absolute name',
    code: 'file-name-invalid',
    reason: /'\/etc\/passwd' is not allowed/,
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) => text.replaceAll(` ${ORIG}`, ' /etc/passwd'));
      await signFile(files, me);
      files.delete(ORIG);
    },
  },
  {
    title: 'a checksum field that is missing',
    code: 'checksums-incomplete',
    reason: `${CHANGES}: Field Checksums-Sha256 is missing`,
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) => text.replace(/^Checksums-Sha256:\n( .*\n)+/m, ''));
      await signFile(files, me);
    },
  },
  {
    title: 'a .changes named after something else',
    code: 'file-name-conflict',
    reason: /^other_1\.0-1_source\.changes is not named after its content/,
    make: async (files, { me }) => {
      await signFile(files, me);
      files.set('other_1.0-1_source.changes', files.get(CHANGES)!);
      files.delete(CHANGES);
    },
  },
  {
    title: 'a .dsc of another version',
    code: 'dsc-conflict',
    reason: 'greeter_1.0-1.dsc is of greeter 1:1.0-1, but the .changes says greeter 1.0-1',
    make: async (files, { me }) => {
      await edit(files, '.dsc', (text) => text.replace('Version: 1.0-1', 'Version: 1:1.0-1'));
      await resum(files, files.get('greeter_1.0-1.dsc')!);
      await signFile(files, me);
    },
  },
  {
    title: 'another distribution',
    code: 'distribution-mismatch',
    reason: "Distribution 'trixie' is not taken for product bookworm",
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) => text.replace('Distribution: bookworm', 'Distribution: trixie'));
      await signFile(files, me);
    },
  },
  {
    title: 'an unfinished changelog',
    code: 'distribution-mismatch',
    reason: "Distribution 'UNRELEASED' is not taken for product bookworm",
    hint: /dch -r/,
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) =>
        text.replace('Distribution: bookworm', 'Distribution: UNRELEASED'),
      );
      await signFile(files, me);
    },
  },
  {
    title: 'binaries without a source',
    code: 'source-missing',
    reason: 'The upload has no source package; binaries are built here',
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) =>
        unlisting('greeter_1.0-1.dsc')(text).replace('Architecture: source', 'Architecture: amd64'),
      );
      await signFile(files, me);
      files.delete('greeter_1.0-1.dsc');
    },
  },
  {
    title: 'a source for other architectures',
    code: 'architecture-mismatch',
    reason: /^Nothing of greeter is for product bookworm: Architecture is 'hurd-any'/,
    make: async (files, { me }) => {
      await edit(files, '.dsc', (text) => text.replace('Architecture: any', 'Architecture: hurd-any'));
      await resum(files, files.get('greeter_1.0-1.dsc')!);
      await signFile(files, me);
    },
  },
  {
    title: 'a component that the product lacks',
    code: 'component-unknown',
    reason: "Product bookworm has no component 'contrib'",
    make: async (files, { me }) => {
      await edit(files, '.changes', (text) => text.replaceAll(' misc optional', ' contrib/misc optional'));
      await signFile(files, me);
    },
  },
  {
    title: 'a .changes that is noise',
    code: 'signature-missing',
    reason: '.changes is not signed.',
    make: (files) => writeFile(files.get(CHANGES)!, 'noise\n'.repeat(1000)),
  },
  {
    title: 'a .changes that is not text',
    code: 'not-utf8',
    reason: `${CHANGES} is not UTF-8 text`,
    make: (files) => writeFile(files.get(CHANGES)!, Buffer.from([0xff, 0xfe, 0x00, 0x80])),
  },
];

export const BAD_UPLOADS: BadUpload[] = [
  ...FIRST_FINDS,
  ...BAD_SIGNATURES,
  ...BAD_TEXTS,
  ...BAD_FILES,
  ...BAD_TARGETS,
  ...BAD_BINARIES,
];
