/** Bad uploads: binaries, which `second` publishes as they come and the others build anew. */
import { edit, listFile, signFile, type Files, type Uploader } from '../uploading.ts';
import type { BadUpload } from './case.ts';

const CONTENT = 'not a package at all';

/** A .changes of these binaries alone, or with the source beside them. */
async function makeBinary(
  files: Files,
  me: Uploader,
  debs: string[],
  options: { architectures: string; isSourceKept?: boolean; version?: string },
): Promise<void> {
  const { architectures, isSourceKept = false, version } = options;
  if (!isSourceKept) {
    await edit(files, '.changes', (text) => text.replaceAll(/^ [0-9a-f]{32,64} .*\n/gm, ''));
    for (const name of files.keys()) if (!name.endsWith('.changes')) files.delete(name);
  }
  for (const deb of debs) await listFile(files, deb, CONTENT);
  await edit(files, '.changes', (text) =>
    text.replace('Architecture: source', `Architecture: ${isSourceKept ? 'source ' : ''}${architectures}`),
  );
  if (version !== undefined) await rename(files, version);
  await signFile(files, me);
}

/** A binary-only rebuild: the .changes names its own version and the source's. */
async function rename(files: Files, version: string): Promise<void> {
  await edit(files, '.changes', (text) =>
    text
      .replace('Source: greeter\n', 'Source: greeter (2.0-1)\n')
      .replace('Version: 2.0-1\n', `Version: ${version}\n`),
  );
  const [name, file] = [...files].find(([each]) => each.endsWith('.changes')) ?? ['', ''];
  files.delete(name);
  files.set(`greeter_${version}_amd64.changes`, file);
}

const toSecond = { product: 'second', isAdmin: true, version: '2.0-1' } as const;

export const BAD_BINARIES: BadUpload[] = [
  {
    title: 'source and binaries where binaries are refused',
    code: 'binaries-refused',
    reason: 'The upload has binaries (greeter_1.0-1_amd64.deb); binaries are built here',
    hint: /dpkg-buildpackage -S/,
    product: 'refusing',
    make: (files, { me }) =>
      makeBinary(files, me, ['greeter_1.0-1_amd64.deb'], { architectures: 'amd64', isSourceKept: true }),
  },
  {
    title: 'binaries alone where binaries are refused',
    code: 'source-missing',
    reason: 'The upload has no source package; binaries are built here',
    product: 'refusing',
    make: (files, { me }) => makeBinary(files, me, ['greeter_1.0-1_amd64.deb'], { architectures: 'amd64' }),
  },
  {
    title: 'binaries of a source that is not there',
    code: 'source-unknown',
    reason: 'Binaries of source greeter, version 1.0-1, which second does not have',
    product: 'second',
    isAdmin: true,
    make: (files, { me }) => makeBinary(files, me, ['greeter_1.0-1_amd64.deb'], { architectures: 'amd64' }),
  },
  {
    title: 'a .changes of binaries without any',
    code: 'binaries-missing',
    reason: 'The upload has neither a source package nor binaries',
    ...toSecond,
    make: (files, { me }) =>
      makeBinary(files, me, ['greeter_2.0-1_amd64.buildinfo'], { architectures: 'amd64' }),
  },
  {
    title: 'a binary of an architecture that the product lacks',
    code: 'architecture-mismatch',
    reason:
      "greeter_2.0-1_riscv64.deb is not for product second, or not of an architecture that the .changes names ('riscv64')",
    ...toSecond,
    make: (files, { me }) =>
      makeBinary(files, me, ['greeter_2.0-1_riscv64.deb'], { architectures: 'riscv64' }),
  },
  {
    title: 'a binary of an architecture that the .changes does not name',
    code: 'architecture-mismatch',
    reason: /^greeter_2\.0-1_amd64\.deb is not for product second/,
    ...toSecond,
    make: (files, { me }) => makeBinary(files, me, ['greeter_2.0-1_amd64.deb'], { architectures: 'all' }),
  },
  {
    title: 'a binary that is named like none',
    code: 'architecture-mismatch',
    reason: /^greeter\.deb is not for product second/,
    ...toSecond,
    make: (files, { me }) => makeBinary(files, me, ['greeter.deb'], { architectures: 'amd64' }),
  },
  {
    title: 'a binary-only rebuild of what is built once for all',
    code: 'binary-rebuild-of-all',
    reason:
      'greeter-data_2.0-1+b1_all.deb is of architecture all, which a binary-only rebuild (2.0-1+b1) cannot hold',
    ...toSecond,
    make: (files, { me }) =>
      makeBinary(files, me, ['greeter-data_2.0-1+b1_all.deb'], { architectures: 'all', version: '2.0-1+b1' }),
  },
  {
    title: 'binaries of what is installed already',
    code: 'binaries-built-here',
    reason: 'Version 2.0-1 of greeter on amd64 is installed here already',
    hint: /dch --bin-nmu/,
    ...toSecond,
    make: (files, { me }) => makeBinary(files, me, ['greeter_2.0-1_amd64.deb'], { architectures: 'amd64' }),
  },
];
