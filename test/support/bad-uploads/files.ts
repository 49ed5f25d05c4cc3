/** Bad uploads: what is listed, and what comes. */
import { writeFile } from 'node:fs/promises';
import { runChecked } from '../../../shared/process/run.ts';
import { edit, listFile, nameOf, resum, signFile, type Files } from '../uploading.ts';
import { editing, editingDsc, type BadUpload } from './case.ts';

const CHANGES = 'greeter_1.0-1_source.changes';
const DSC = 'greeter_1.0-1.dsc';
const ORIG = 'greeter_1.0.orig.tar.xz';

/** Puts other content into the orig tarball and its sums into both lists. */
async function replaceOrig(files: Files, content: string | Buffer): Promise<void> {
  const orig = files.get(nameOf(files, '.orig.tar.xz'))!;
  await writeFile(orig, content);
  await resum(files, orig, '.dsc');
  await resum(files, orig);
  await resum(files, files.get(nameOf(files, '.dsc'))!);
}

const onLineOf =
  (field: string, name: string, change: (line: string) => string) =>
  (text: string): string =>
    text.replace(new RegExp(`(^${field}:\\n(?: .*\\n)*?)( .* ${name}\\n)`, 'm'), (_, before: string, line) =>
      before.concat(change(String(line))),
    );

export const BAD_FILES: BadUpload[] = [
  {
    title: 'a .changes with MD5 alone',
    code: 'checksums-incomplete',
    reason: `${CHANGES}: Field Checksums-Sha1 is missing`,
    hint: /MD5 and SHA-1 alone are not taken/,
    make: editing((text) => text.replaceAll(/^Checksums-Sha(1|256):\n( .*\n)+/gm, '')),
  },
  {
    title: 'a .dsc with MD5 and SHA-1 alone',
    code: 'checksums-incomplete',
    reason: `${DSC}: Field Checksums-Sha256 is missing`,
    hint: /MD5 and SHA-1 alone are not taken/,
    make: editingDsc((text) => text.replace(/^Checksums-Sha256:\n( .*\n)+/m, '')),
  },
  {
    title: 'a file that SHA-256 leaves out',
    code: 'checksums-incomplete',
    reason: `${CHANGES}: Field Checksums-Sha256 does not list '${ORIG}'`,
    make: editing(onLineOf('Checksums-Sha256', ORIG, () => '')),
  },
  {
    title: 'a file that only SHA-256 lists',
    code: 'checksums-incomplete',
    reason: `${CHANGES}: Field Files does not list '${ORIG}'`,
    make: editing(onLineOf('Files', ORIG, () => '')),
  },
  {
    title: 'lists that give different sizes',
    code: 'checksums-conflict',
    reason: `${CHANGES}: Fields Files and Checksums-Sha256 give different sizes for '${ORIG}'`,
    make: editing(
      onLineOf('Checksums-Sha256', ORIG, (line) => line.replace(/ (\d+) greeter/, ' 1$1 greeter')),
    ),
  },
  {
    title: 'a file that is listed twice',
    code: 'file-listed-twice',
    reason: `${CHANGES}: Field Checksums-Sha1 lists '${ORIG}' twice`,
    make: editing(onLineOf('Checksums-Sha1', ORIG, (line) => line + line)),
  },
  {
    title: 'a checksum that is too short',
    code: 'file-list-invalid',
    reason: /^greeter_1\.0-1_source\.changes: Field Checksums-Sha256 has a malformed line/,
    make: editing(onLineOf('Checksums-Sha256', ORIG, (line) => line.replace(/^ ..../, ' '))),
  },
  {
    title: 'a negative size',
    code: 'file-list-invalid',
    reason: /^greeter_1\.0-1_source\.changes: Field Files has a malformed line/,
    make: editing(onLineOf('Files', ORIG, (line) => line.replace(/ (\d+) misc/, ' -$1 misc'))),
  },
  {
    title: 'a name with a space',
    code: 'file-list-invalid',
    reason: /^greeter_1\.0-1_source\.changes: Field Files has a malformed line/,
    make: editing((text) => text.replaceAll(ORIG, 'greeter 1.0.orig.tar.xz')),
  },
  {
    title: 'a hidden name',
    code: 'file-name-invalid',
    reason: `${CHANGES}: File name '.profile' is not allowed`,
    make: async (files, people) => {
      await editing((text) => text.replaceAll(ORIG, '.profile'))(files, people);
      files.delete(ORIG);
    },
  },
  {
    title: 'a name with an option in it',
    code: 'file-name-invalid',
    reason: `${CHANGES}: File name '--rsh=sh.tar.xz' is not allowed`,
    make: async (files, people) => {
      await editing((text) => text.replaceAll(ORIG, '--rsh=sh.tar.xz'))(files, people);
      files.delete(ORIG);
    },
  },
  {
    title: 'a size that is right in no list of the .dsc',
    code: 'file-size-mismatch',
    reason: `File size for ${ORIG} does not match that specified in .dsc`,
    make: editingDsc((text) => text.replaceAll(/ (\d+) greeter_1\.0\.orig/g, ' 1$1 greeter_1.0.orig')),
  },
  {
    title: 'a tarball that is not compressed as it says',
    code: 'file-not-compressed',
    reason: `${ORIG} is not compressed as its name says`,
    make: async (files, { me }) => {
      await replaceOrig(files, 'not an archive at all');
      await signFile(files, me);
    },
  },
  {
    title: 'an empty tarball',
    code: 'file-not-compressed',
    reason: `${ORIG} is not compressed as its name says`,
    make: async (files, { me }) => {
      await replaceOrig(files, '');
      await signFile(files, me);
    },
  },
  {
    title: 'a .dsc that lists what is no part of a source package',
    code: 'dsc-files-unexpected',
    reason: `${DSC}: 'install.sh' does not belong to greeter 1.0-1 in format 3.0 (quilt)`,
    make: async (files, { me }) => {
      await listFile(files, 'install.sh', 'rm -rf /', '.dsc');
      await resum(files, files.get(DSC)!);
      await signFile(files, me);
    },
  },
  {
    title: 'a tarball of a compression that dpkg-source does not know',
    code: 'dsc-files-unexpected',
    reason: /'greeter_1\.0\.orig\.tar\.zip' does not belong to greeter/,
    make: editingDsc((text) => text.replaceAll(ORIG, 'greeter_1.0.orig.tar.zip')),
  },
  {
    title: 'a source package without packaging',
    code: 'dsc-files-unexpected',
    reason: `${DSC}: greeter 1.0-1 has no .debian.tar`,
    make: editingDsc((text) => text.replaceAll(/^ .*\.debian\.tar\.xz\n/gm, '')),
  },
  {
    title: 'a native package of several tarballs',
    code: 'dsc-files-unexpected',
    reason: /does not belong to greeter 1\.0-1 in format 3\.0 \(native\)/,
    make: editingDsc((text) => text.replace('3.0 (quilt)', '3.0 (native)')),
  },
  {
    title: "a signature of upstream's without its tarball",
    code: 'dsc-files-unexpected',
    reason: /'greeter_1\.0\.orig-docs\.tar\.xz\.asc' signs a file that is not there/,
    make: async (files, { me }) => {
      await listFile(files, 'greeter_1.0.orig-docs.tar.xz.asc', 'signature', '.dsc');
      await resum(files, files.get(DSC)!);
      await signFile(files, me);
    },
  },
  {
    title: 'a further orig tarball that never comes',
    code: 'orig-missing',
    reason: "Refers to non-existing file 'greeter_1.0.orig-docs.tar.xz'",
    hint: /-sa/,
    make: async (files, { me }) => {
      await listFile(files, 'greeter_1.0.orig-docs.tar.xz', 'docs', '.dsc');
      files.delete('greeter_1.0.orig-docs.tar.xz');
      await resum(files, files.get(DSC)!);
      await signFile(files, me);
    },
  },
  {
    title: 'more files than the product takes',
    code: 'too-many-files',
    reason: 'The upload has 6 files; the limit is 4',
    hint: /uploadLimits of product small/,
    product: 'small',
    make: async (files, { me }) => {
      await listFile(files, 'extra-1.txt', '1');
      await listFile(files, 'extra-2.txt', '2');
      await signFile(files, me);
    },
  },
  {
    title: 'more bytes than the product takes',
    code: 'upload-too-large',
    reason: /^The upload has \d{4} bytes; the limit is 1500$/,
    product: 'small',
    make: (files, { me }) => signFile(files, me),
  },
  {
    title: 'a small tarball that unpacks to a large one',
    code: 'file-unpacks-too-large',
    reason: `${ORIG} says that it unpacks to 2000000 bytes; the limit is 1000000`,
    hint: /uploadLimits of product bombs/,
    product: 'bombs',
    make: async (files, { me }) => {
      const { stdout } = await runChecked(['xz', '-c'], { input: '\0'.repeat(2_000_000) });
      await replaceOrig(files, stdout);
      await signFile(files, me);
    },
  },
  {
    title: 'a .changes whose file differs from a .dsc of the same size',
    code: 'checksum-mismatch',
    reason: `md5sum for ${DSC} does not match that specified in .changes`,
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.dsc', (text) =>
        text.replace('Standards-Version: 4.6.2', 'Standards-Version: 4.6.1'),
      );
    },
  },
];
