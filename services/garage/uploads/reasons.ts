/**
 * Every reason why an upload is rejected: its code, its sentence, the next step. Codes are stored with rows
 * and stand in REASON files; sentences are the ones that people search for (they know them from dak and the
 * old autobuilder), so neither changes. docs/uploads.md lists this table; reasons.test.ts compares the two.
 */

export interface Reason {
  /** Where it is not the row's name: one code may be said in several ways. */
  code?: string;
  /** What is wrong; `{name}` stands for what {@link reject} is given. */
  sentence: string;
  /** What the uploader does next. */
  next: string;
}

/** What a parser of shared/ says of a control file; it knows the place, this table the next step. */
const PROBLEM = '{file}: {problem}';

const ABOUT_SIGNATURES = {
  'signature-missing': {
    sentence: '{where} is not signed.',
    next: 'Sign it with debsign, then upload it again.',
  },
  'signature-unknown-key': {
    sentence: '{where} signed by unknown key.',
    next: '{problem}. Add the public key to an account, or sign with the key that is there.',
  },
  'signature-invalid': {
    sentence: 'Signature for {where} not valid.',
    next: '{problem}. Sign it again with debsign, then upload it again.',
  },
  'key-expired': {
    sentence: 'Signature for {where} not valid.',
    next: '{problem}. Extend the key, have it added to the account again, and upload again.',
  },
  'key-revoked': {
    sentence: 'Signature for {where} not valid.',
    next: '{problem}. Sign with another key of the account.',
  },
  'signature-other-key': {
    sentence: '.dsc is signed by another key than .changes.',
    next: 'Sign both with one key: debsign {changes}',
  },
  'upload-replayed': {
    sentence: '{file} was uploaded before, by another account, on {date}.',
    next: 'Sign an upload of your own: debsign --re-sign {file}',
  },
  'upload-withdrawn': {
    code: 'upload-replayed',
    sentence: '{file} was uploaded and accepted before, on {date}, and {product} has it no more.',
    next: 'Add a changelog entry with a higher version: dch -i',
  },
} as const satisfies Record<string, Reason>;

const ABOUT_RIGHTS = {
  'account-disabled': {
    sentence: "Account '{login}' is disabled",
    next: 'Ask an admin to enable it: autobuilder account enable {login}',
  },
  'not-allowed': {
    sentence: "Account '{login}' may not upload {source} to {product}",
    next: 'Ask one of its maintainers to upload it, or an admin for: autobuilder maintainer add {source} {login} --product {product}',
  },
  'new-source-not-allowed': {
    code: 'not-allowed',
    sentence: "Account '{login}' may not bring the new source {source} to {product}",
    next: 'Ask an admin for: autobuilder maintainer add {source} {login} --product {product}',
  },
} as const satisfies Record<string, Reason>;

const ABOUT_TARGETS = {
  'product-unknown': {
    sentence: "There is no product '{product}' any more",
    next: 'Upload to one of the products that "how to upload" shows.',
  },
  'distribution-mismatch': {
    sentence: "Distribution '{distribution}' is not taken for product {product}",
    next: 'Set the distribution in debian/changelog to one of: {taken}',
  },
  'changelog-unfinished': {
    code: 'distribution-mismatch',
    sentence: "Distribution 'UNRELEASED' is not taken for product {product}",
    next: 'Finish the changelog entry first: dch -r -D {product}',
  },
  'distribution-elsewhere': {
    code: 'distribution-mismatch',
    sentence: "Distribution '{distribution}' is not taken for product {product}",
    next: 'Upload it to product {other} instead, or set the distribution in debian/changelog to {product}.',
  },
  'architecture-mismatch': {
    sentence: "Nothing of {source} is for product {product}: Architecture is '{architectures}', not '{ours}'",
    next: 'Upload it to a product that has such an architecture, or change Architecture in debian/control.',
  },
  'component-unknown': {
    sentence: "Product {product} has no component '{component}'",
    next: 'Change Section in debian/control; the product has: {components}',
  },
  'version-not-higher': {
    sentence:
      'Version check failed: Your upload included the source package {source}, version {version}, however ' +
      '{place} already has version {present}. Uploads to {target} must have a higher version than present in {place}.',
    next: 'Add a changelog entry with a higher version: dch -i',
  },
} as const satisfies Record<string, Reason>;

const ABOUT_FILES = {
  'file-missing': {
    sentence: "Can't stat {file}: No such file or directory",
    next: 'Upload every file that the {list} lists, the {list} last.',
  },
  'file-unlisted': {
    code: 'file-missing',
    sentence: "Refers to non-existing file '{file}'",
    next: 'The .dsc lists it; the upload must hold it and the .changes must list it.',
  },
  'orig-missing': {
    sentence: "Refers to non-existing file '{file}'",
    next: 'The archive does not have it; include it with: dpkg-buildpackage -S -sa',
  },
  'orphan-files': {
    sentence: "No .changes or .dsc lists '{file}'{more}",
    next: 'Upload the .changes too, after the files it lists.',
  },
  'not-a-regular-file': {
    sentence: '{file} is not a regular file',
    next: 'Upload the file itself, not a link or a folder.',
  },
  'file-size-mismatch': {
    sentence: 'File size for {file} does not match that specified in {where}',
    next: 'Upload it again; it arrived damaged, or was changed after the list was made.',
  },
  'checksum-mismatch': {
    sentence: '{algorithm}sum for {file} does not match that specified in {where}',
    next: 'Upload it again; it arrived damaged, or was changed after the list was made.',
  },
  'orig-differs': {
    code: 'checksum-mismatch',
    sentence: 'sha256sum for {file} does not match that specified in .dsc',
    next: 'The archive has this orig tarball with other content; build with the one from the archive.',
  },
  'file-exists': {
    sentence: 'File {file} already exists in {product}, but uploaded version has different contents.',
    next: 'Take the file from the archive, or give the new upstream content a version of its own.',
  },
  'file-not-compressed': {
    sentence: '{file} is not compressed as its name says',
    next: 'Build the source package again: dpkg-buildpackage -S',
  },
  'file-unpacks-too-large': {
    sentence: '{file} says that it unpacks to {count} bytes; the limit is {limit}',
    next: 'Make the source smaller; an admin can raise uploadLimits of product {product}.',
  },
  'too-many-files': {
    sentence: 'The upload has {count} files; the limit is {limit}',
    next: 'Upload fewer files at once; an admin can raise uploadLimits of product {product}.',
  },
  'upload-too-large': {
    sentence: 'The upload has {count} bytes; the limit is {limit}',
    next: 'Make the source smaller; an admin can raise uploadLimits of product {product}.',
  },
  'file-name-conflict': {
    sentence: '{file} is not named after its content: {expected}',
    next: 'Do not rename files; build the upload again: dpkg-buildpackage -S',
  },
  'dsc-conflict': {
    sentence: '{file} is of {theirs}, but the .changes says {ours}',
    next: 'Build the upload again, so that both are of one version: dpkg-buildpackage -S',
  },
} as const satisfies Record<string, Reason>;

const ABOUT_BINARIES = {
  'source-missing': {
    sentence: 'The upload has no source package; binaries are built here',
    next: 'Build the upload with: dpkg-buildpackage -S',
  },
  'binaries-refused': {
    sentence: 'The upload has binaries ({file}); binaries are built here',
    next: 'Build the upload with: dpkg-buildpackage -S',
  },
  'binaries-missing': {
    sentence: 'The upload has neither a source package nor binaries',
    next: 'Build the upload with dpkg-buildpackage; it lists what it made in the .changes.',
  },
  'source-unknown': {
    sentence: 'Binaries of source {source}, version {version}, which {product} does not have',
    next: 'Upload the source first, or both in one upload: dpkg-buildpackage',
  },
  'binary-architecture': {
    code: 'architecture-mismatch',
    sentence:
      "{file} is not for product {product}, or not of an architecture that the .changes names ('{architectures}')",
    next: 'Leave it out; the product has: {ours} all',
  },
  'binary-rebuild-of-all': {
    sentence: '{file} is of architecture all, which a binary-only rebuild ({version}) cannot hold',
    next: 'Add a changelog entry with a higher version, and upload the source: dch -i',
  },
  'binaries-built-here': {
    sentence: 'Version {version} of {source} on {architecture} is {status} here already',
    next: 'Leave it, or upload a binary-only rebuild with a version of its own: dch --bin-nmu',
  },
} as const satisfies Record<string, Reason>;

const ABOUT_TEXTS = {
  'control-file-too-large': {
    sentence: '{file} is larger than {limit} bytes',
    next: 'Build the upload again; no tool writes one of that size.',
  },
  'not-utf8': {
    sentence: '{file} is not UTF-8 text',
    next: 'Write debian/control and debian/changelog in UTF-8, then build the upload again.',
  },
  'control-file-unreadable': {
    sentence: '{file} cannot be read',
    next: 'Build the upload again: dpkg-buildpackage -S',
  },
  'deb822-invalid': { sentence: PROBLEM, next: 'Build the upload again; do not change the file by hand.' },
  'deb822-missing-field': {
    sentence: PROBLEM,
    next: 'Complete debian/control and debian/changelog, then build the upload again.',
  },
  'changes-format-unsupported': { sentence: PROBLEM, next: 'Build the upload with a current dpkg-dev.' },
  'changes-invalid': { sentence: PROBLEM, next: 'Build the upload again: dpkg-buildpackage -S' },
  'dsc-format-unsupported': {
    sentence: PROBLEM,
    next: "Write '3.0 (quilt)' or '3.0 (native)' into debian/source/format.",
  },
  'dsc-invalid': { sentence: PROBLEM, next: 'Correct debian/control, then build the upload again.' },
  'dsc-files-unexpected': {
    sentence: PROBLEM,
    next: 'Build the source package with dpkg-source; it names the files as their format wants them.',
  },
  'version-invalid': { sentence: PROBLEM, next: 'Correct the version in debian/changelog (Policy 5.6.12).' },
  'checksums-incomplete': {
    sentence: PROBLEM,
    next: 'MD5 and SHA-1 alone are not taken; build the upload with a current dpkg-dev, which writes all three lists.',
  },
  'checksums-conflict': {
    sentence: PROBLEM,
    next: 'Build the upload again; do not change the file by hand.',
  },
  'file-name-invalid': {
    sentence: PROBLEM,
    next: 'Rename the file; names start with a letter or digit and hold letters, digits and _ . ~ + - only.',
  },
  'file-listed-twice': { sentence: PROBLEM, next: 'Build the upload again; do not change the file by hand.' },
  'file-list-invalid': { sentence: PROBLEM, next: 'Build the upload again; do not change the file by hand.' },
} as const satisfies Record<string, Reason>;

/** By name; a row's name is its code unless it says otherwise. */
export const REASONS = {
  ...ABOUT_SIGNATURES,
  ...ABOUT_RIGHTS,
  ...ABOUT_TARGETS,
  ...ABOUT_FILES,
  ...ABOUT_BINARIES,
  ...ABOUT_TEXTS,
} as const satisfies Record<string, Reason>;

export type ReasonName = keyof typeof REASONS;

type PlacesIn<Text extends string> = Text extends `${string}{${infer Place}}${infer Rest}`
  ? Place | PlacesIn<Rest>
  : never;

/** What a reason's sentence and next step must be told. */
export type ReasonValues<Name extends ReasonName> = Record<
  PlacesIn<(typeof REASONS)[Name]['sentence'] | (typeof REASONS)[Name]['next']>,
  string | number
>;

export function isReasonName(name: string): name is ReasonName {
  return Object.hasOwn(REASONS, name);
}

/** The stable code of a row. */
export function codeOf(name: ReasonName): string {
  const reason: Reason = REASONS[name];
  return reason.code ?? name;
}
