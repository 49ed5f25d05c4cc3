/**
 * Decides whether an upload is what its signer meant and what this archive takes. It only reads: the
 * answer is a {@link VerifiedSource}, or a thrown {@link Rejection}.
 */
import { architecturesToBuild } from '../../../shared/debian/architecture.ts';
import { changesFileNameMatches, parseChanges, type Changes } from '../../../shared/debian/changes.ts';
import { dscFileName, parseDsc, type Dsc } from '../../../shared/debian/dsc.ts';
import { isKnownSection } from '../../../shared/debian/sections.ts';
import type { Product } from '../../../shared/config/common.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import type { Garage } from '../context.ts';
import { acceptedVersions } from './archive.ts';
import { checkAgainstArchive, isOrig, type ArchiveAnswer } from './archive-check.ts';
import { readControlText } from './control-text.ts';
import { UploadFiles } from './files.ts';
import { Rejection, rejecting } from './rejection.ts';
import { accountKeys, requireSignature } from './signature.ts';
import type { UploadRow } from './upload-row.ts';

/** What became known of an upload, also of one that is rejected in the end. */
export interface UploadFacts {
  source: string | null;
  version: string | null;
  /** Fingerprint. */
  signedBy: string | null;
  warnings: string[];
}

export interface VerifiedSource {
  source: string;
  version: string;
  component: string;
  dsc: string;
  /** The Architecture field of the .dsc, split. */
  architectures: string[];
  /** The whole source package, orig tarballs that only the archive has included. */
  files: FileEntry[];
  /** The same content was accepted before: nothing new is built. */
  isRepetition: boolean;
}

interface Context {
  garage: Garage;
  upload: UploadRow;
  product: Product;
  files: UploadFiles;
  facts: UploadFacts;
  now: Date;
}

/** Verifies the files in `folder`; fills `facts` as far as it comes. Throws {@link Rejection}. */
export async function verifyUpload(
  garage: Garage,
  upload: UploadRow,
  folder: string,
  facts: UploadFacts,
  now: Date,
): Promise<VerifiedSource> {
  const product = garage.common.products.find(({ name }) => name === upload.product);
  if (!product) throw new Rejection('product-unknown', `There is no product '${upload.product}' any more`);
  const files = await UploadFiles.inspect(folder, upload.files);
  if (upload.disabled) throw new Rejection('account-disabled', `Account '${upload.login}' is disabled`);
  const context: Context = { garage, upload, product, files, facts, now };
  if (upload.trigger.endsWith('.changes')) return verifyChanges(context);
  if (upload.trigger.endsWith('.dsc')) return verifyLoneDsc(context);
  const more = upload.files.length > 1 ? ` and ${String(upload.files.length - 1)} more` : '';
  throw new Rejection('orphan-files', `No .changes or .dsc lists '${upload.trigger}'${more}`, {
    hint: 'Upload the .changes too, after the files it lists.',
  });
}

async function verifyChanges(context: Context): Promise<VerifiedSource> {
  const { garage, upload, facts, files } = context;
  const text = await readControlText(files.folder, upload.trigger);
  const signed = await requireSignature(text, '.changes', await accountKeys(garage.pool), context.now);
  facts.signedBy = signed.fingerprint;
  const changes = await rejecting(upload.trigger, () => parseChanges(signed.content));
  facts.source = changes.source;
  facts.version = changes.version;
  checkTarget(context, changes);
  const { dsc } = changes;
  if (!dsc) {
    throw new Rejection('source-missing', 'The upload has no source package; binaries are built here', {
      hint: 'Build the upload with: dpkg-buildpackage -S',
    });
  }
  const accepted = await acceptedVersions(garage.pool, upload.product, changes.source);
  for (const file of changes.files) {
    const isInArchive = accepted.some(({ files: known }) =>
      known.some(({ sha256 }) => sha256 === file.sha256),
    );
    if (files.has(file.name) || !isOrig(file.name) || !isInArchive) await files.check(file, '.changes');
  }
  const component = checkSections(context, changes);
  return verifyDsc(context, dsc.name, { component, changes });
}

async function verifyLoneDsc(context: Context): Promise<VerifiedSource> {
  return verifyDsc(context, context.upload.trigger, { component: 'main', changes: null });
}

/** Name and Distribution of a .changes. */
function checkTarget({ garage, upload, product }: Context, changes: Changes): void {
  if (!changesFileNameMatches(upload.trigger, changes)) {
    const expected = `${dscFileName(changes.source, changes.version).slice(0, -'.dsc'.length)}_*.changes`;
    throw new Rejection(
      'file-name-conflict',
      `${upload.trigger} is not named after its content: ${expected}`,
    );
  }
  const { distribution } = changes;
  const taken = [product.name, garage.common.queues[0].name, 'unstable'];
  if (taken.includes(distribution)) return;
  const hint =
    distribution === 'UNRELEASED'
      ? `Finish the changelog entry first: dch -r -D ${product.name}`
      : `Set the distribution in debian/changelog to one of: ${taken.join(', ')}`;
  const reason = `Distribution '${distribution}' is not taken for product ${product.name}`;
  throw new Rejection('distribution-mismatch', reason, { hint });
}

/** The component that the sections name; warns of sections the archive does not know, and of binaries. */
function checkSections({ product, facts }: Context, changes: Changes): string {
  const unknown = changes.files.filter(({ section }) => section !== '-' && !isKnownSection(section));
  for (const { name, section } of unknown) facts.warnings.push(`${name}: unknown section '${section}'`);
  const binaries = changes.files.filter(({ name }) => /\.(u|d)?deb$/.test(name));
  if (binaries.length > 0) {
    facts.warnings.push(
      `${String(binaries.length)} uploaded binaries are kept but not published; they are built here from source`,
    );
  }
  const area = changes.dsc?.section.includes('/') ? changes.dsc.section.split('/')[0] : undefined;
  const component = area ?? product.components[0] ?? 'main';
  if (product.components.includes(component)) return component;
  throw new Rejection('component-unknown', `Product ${product.name} has no component '${component}'`, {
    hint: `It has: ${product.components.join(', ')}`,
  });
}

async function verifyDsc(
  context: Context,
  name: string,
  { component, changes }: { component: string; changes: Changes | null },
): Promise<VerifiedSource> {
  const { garage, upload, files, facts } = context;
  const dsc = await readDsc(context, name, changes !== null);
  facts.source = dsc.source;
  facts.version = dsc.version;
  checkDscName(name, dsc, changes);
  checkArchitectures(context, dsc);
  const { sums, size } = await files.sums(name);
  const own: FileEntry = { name, size, sha256: sums['sha256'] ?? '' };
  const accepted = await acceptedVersions(garage.pool, upload.product, dsc.source);
  const answer: ArchiveAnswer = await checkAgainstArchive({
    product: upload.product,
    isLone: changes === null,
    dsc,
    own,
    files,
    accepted,
  });
  return {
    ...{ source: dsc.source, version: dsc.version, component, dsc: name },
    architectures: dsc.architectures,
    ...answer,
  };
}

/** Parses a .dsc; its signature must hold when there is one, and there must be one without a .changes. */
async function readDsc(context: Context, name: string, isVouchedFor: boolean): Promise<Dsc> {
  const { garage, facts, files, now } = context;
  const text = await readControlText(files.folder, name);
  if (isVouchedFor && !claimsSignature(text)) return rejecting(name, () => parseDsc(text));
  const signed = await requireSignature(text, '.dsc', await accountKeys(garage.pool), now);
  facts.signedBy ??= signed.fingerprint;
  return rejecting(name, () => parseDsc(signed.content));
}

function claimsSignature(text: string): boolean {
  try {
    readClearsigned(text);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'signature-missing');
  }
}

function checkDscName(name: string, dsc: Dsc, changes: Changes | null): void {
  const expected = dscFileName(dsc.source, dsc.version);
  if (name !== expected) {
    throw new Rejection('file-name-conflict', `${name} is not named after its content: ${expected}`);
  }
  if (!changes) return;
  if (dsc.source !== changes.source || dsc.version !== changes.sourceVersion) {
    const theirs = `${changes.source} ${changes.sourceVersion}`;
    throw new Rejection(
      'dsc-conflict',
      `${name} is of ${dsc.source} ${dsc.version}, but the .changes says ${theirs}`,
    );
  }
}

function checkArchitectures({ product }: Context, dsc: Dsc): void {
  const builds = architecturesToBuild(dsc.architectures, product.architectures, product.architectures[0]);
  if (builds.length > 0) return;
  const ours = product.architectures.join(' ');
  throw new Rejection(
    'architecture-mismatch',
    `Nothing of ${dsc.source} is for product ${product.name}: Architecture is '${dsc.architectures.join(' ')}', not '${ours}'`,
  );
}
