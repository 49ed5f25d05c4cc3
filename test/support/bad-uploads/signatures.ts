/** Bad uploads: who signed, and who sends. */
import { copyFile } from 'node:fs/promises';
import { signChanges } from '../source-package.ts';
import { edit, nameOf, resum, signFile, type Files } from '../uploading.ts';
import { signInTime } from './keys.ts';
import type { BadUpload } from './case.ts';

function replaceBy(files: Files, others: Files): void {
  files.clear();
  for (const [name, file] of others) files.set(name, file);
}

export const BAD_SIGNATURES: BadUpload[] = [
  {
    title: 'a key that has expired',
    code: 'key-expired',
    reason: 'Signature for .changes not valid.',
    hint: /expired\. Extend the key/,
    make: (files, { expired }) => signInTime(files, expired),
  },
  {
    title: 'a key that is revoked',
    code: 'key-revoked',
    reason: 'Signature for .changes not valid.',
    hint: /revoked\. Sign with another key/,
    make: (files, { revoked }) => signFile(files, revoked),
  },
  {
    title: 'a .dsc by another known key than the .changes',
    code: 'signature-other-key',
    reason: '.dsc is signed by another key than .changes.',
    hint: /^Sign both with one key: debsign greeter_1\.0-1_source\.changes$/,
    make: async (files, { me, owner }) => {
      await signFile(files, owner, '.dsc');
      await resum(files, files.get(nameOf(files, '.dsc'))!);
      await signFile(files, me);
    },
  },
  {
    title: 'a .dsc whose key was revoked within a good .changes',
    code: 'key-revoked',
    reason: 'Signature for .dsc not valid.',
    make: async (files, { me, revoked }) => {
      await signFile(files, revoked, '.dsc');
      await resum(files, files.get(nameOf(files, '.dsc'))!);
      await signFile(files, me);
    },
  },
  {
    title: 'text after the signature',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => `${text}\nSource: other\n`);
    },
  },
  {
    title: 'a signed message within a signed message',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => `${text}${text}`);
    },
  },
  {
    title: 'a signature without an end',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => text.replace(/^-----END PGP SIGNATURE-----\s*$/m, ''));
    },
  },
  {
    title: 'a replay: what somebody else signed and uploaded',
    code: 'upload-replayed',
    reason: /^greeter_2\.0-1_source\.changes was uploaded before, by another account, on \d{4}-\d\d-\d\d\.$/,
    hint: /^Sign an upload of your own: debsign --re-sign /,
    product: 'second',
    make: (files, { accepted }) => Promise.resolve(replaceBy(files, accepted)),
  },
  {
    title: 'a replay for another product',
    code: 'upload-replayed',
    reason: /^greeter_2\.0-1_source\.changes was uploaded before/,
    make: (files, { accepted }) => Promise.resolve(replaceBy(files, accepted)),
  },
  {
    title: 'a replay in another armor',
    code: 'upload-replayed',
    reason: /^greeter_2\.0-1_source\.changes was uploaded before/,
    make: async (files, { accepted }) => {
      const changes = nameOf(accepted, '.changes');
      const copy = `${files.get(nameOf(files, '.changes'))!}.copy`;
      await copyFile(accepted.get(changes)!, copy);
      replaceBy(files, accepted);
      files.set(changes, copy);
      await edit(files, '.changes', (text) => `${text}\n\n`);
    },
  },
  {
    title: "a replay of another upload's .dsc alone",
    code: 'upload-replayed',
    reason: /^greeter_2\.0-1\.dsc was uploaded before/,
    make: (files, { accepted }) => {
      replaceBy(files, accepted);
      return Promise.resolve(files.delete(nameOf(files, '.changes')));
    },
  },
  {
    title: 'a signature that does not hold, where none is needed',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    product: 'either',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => text.replace('Urgency: medium', 'Urgency: low'));
    },
  },
  {
    title: 'an unknown key, where none is needed',
    code: 'signature-unknown-key',
    reason: '.changes signed by unknown key.',
    product: 'either',
    make: (files, { stranger }) => signFile(files, stranger),
  },
  {
    title: 'a broken armor, where nobody asks who signed',
    code: 'signature-invalid',
    reason: 'Signature for .changes not valid.',
    product: 'login',
    make: async (files, { me }) => {
      await signFile(files, me);
      await edit(files, '.changes', (text) => `Source: other\n\n${text}`);
    },
  },
  {
    title: "a source that is somebody else's",
    code: 'not-allowed',
    reason: /^Account 'case-\d+' may not upload greeter to second$/,
    hint: /autobuilder maintainer add greeter case-\d+ --product second$/,
    product: 'second',
    version: '3.0-1',
    make: (files, { me }) => signChanges(files.get(nameOf(files, '.changes'))!, me.privateKey),
  },
  {
    title: 'a new source where only maintainers may bring one',
    code: 'not-allowed',
    reason: /^Account 'case-\d+' may not bring the new source greeter to closed$/,
    product: 'closed',
    make: (files, { me }) => signFile(files, me),
  },
];
