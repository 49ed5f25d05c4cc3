/** Bad uploads: where it should go, and what is there already (greeter 2.0-1 in `second`). */
import { writeFile } from 'node:fs/promises';
import { edit, nameOf, resum, signFile, type Files } from '../uploading.ts';
import { editing, type BadUpload } from './case.ts';

const ORIG = 'greeter_2.0.orig.tar.xz';
/** What xz makes of nothing. */
const EMPTY_XZ = Buffer.from('fd377a585a000004e6d6b4460000000001db1d6f1fb6f37d010000000004595a', 'hex');

const toSecond = { product: 'second', isAdmin: true } as const;

async function replaceOrig(files: Files): Promise<void> {
  await writeFile(files.get(ORIG)!, EMPTY_XZ);
  await resum(files, files.get(ORIG)!, '.dsc');
  await resum(files, files.get(ORIG)!);
  await resum(files, files.get(nameOf(files, '.dsc'))!);
}

function tooLow(version: string): string {
  return (
    `Version check failed: Your upload included the source package greeter, version ${version}, however ` +
    'second already has version 2.0-1. Uploads to second must have a higher version than present in second.'
  );
}

export const BAD_TARGETS: BadUpload[] = [
  {
    title: 'the distribution of another product',
    code: 'distribution-mismatch',
    reason: "Distribution 'second' is not taken for product bookworm",
    hint: /^Upload it to product second instead/,
    make: editing((text) => text.replace('Distribution: bookworm', 'Distribution: second')),
  },
  {
    title: 'a later queue as distribution: nothing is uploaded there',
    code: 'distribution-mismatch',
    reason: "Distribution 'stable' is not taken for product bookworm",
    make: editing((text) => text.replace('Distribution: bookworm', 'Distribution: stable')),
  },
  {
    title: 'a section of an area that is none',
    code: 'component-unknown',
    reason: "Product bookworm has no component 'my'",
    make: editing((text) => text.replaceAll(' misc optional', ' my/misc optional')),
  },
  {
    title: 'a .dsc on its own of a component that the product lacks',
    code: 'component-unknown',
    reason: "Product bookworm has no component 'contrib'",
    make: async (files, { me }) => {
      files.delete(nameOf(files, '.changes'));
      await edit(files, '.dsc', (text) => text.replace('deb misc optional', 'deb contrib/misc optional'));
      await signFile(files, me, '.dsc');
    },
  },
  {
    title: 'a lower version than the archive has',
    code: 'version-not-higher',
    reason: tooLow('1.0-1'),
    hint: /dch -i/,
    ...toSecond,
    make: (files, { me }) => signFile(files, me),
  },
  {
    title: 'a tilde, which is lower than nothing',
    code: 'version-not-higher',
    reason: tooLow('2.0-1~bpo12+1'),
    ...toSecond,
    version: '2.0-1~bpo12+1',
    make: (files, { me }) => signFile(files, me),
  },
  {
    title: 'the same version with other content',
    code: 'version-not-higher',
    reason: tooLow('2.0-1'),
    ...toSecond,
    version: '2.0-1',
    make: async (files, { me }) => {
      await edit(files, '.dsc', (text) =>
        text.replace('Standards-Version: 4.6.2', 'Standards-Version: 4.6.1'),
      );
      await resum(files, files.get(nameOf(files, '.dsc'))!);
      await signFile(files, me);
    },
  },
  {
    title: 'the same orig tarball with other content',
    code: 'file-exists',
    reason: `File ${ORIG} already exists in second, but uploaded version has different contents.`,
    ...toSecond,
    version: '2.0-2',
    make: async (files, { me }) => {
      await replaceOrig(files);
      await signFile(files, me);
    },
  },
  {
    title: 'an orig tarball that is left out and is another one in the archive',
    code: 'checksum-mismatch',
    reason: `sha256sum for ${ORIG} does not match that specified in .dsc`,
    hint: /build with the one from the archive/,
    ...toSecond,
    version: '2.0-3',
    make: async (files, { me }) => {
      await replaceOrig(files);
      await edit(files, '.changes', (text) => text.replaceAll(/^ .*\.orig\.tar\.xz\n/gm, ''));
      files.delete(ORIG);
      await signFile(files, me);
    },
  },
];
