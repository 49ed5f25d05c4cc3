/**
 * Decides whether an upload is what its signer meant and what this archive takes. It only reads: the
 * answer is a {@link VerifiedUpload}, or a thrown `Rejection` (reasons.ts lists them all).
 */
import { parseChanges, type Changes } from '../../../shared/debian/changes.ts';
import type { Product } from '../../../shared/config/common.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import type { Garage } from '../context.ts';
import { acceptedVersions, type AcceptedSource } from './archive.ts';
import { isOrig } from './archive-check.ts';
import { checkBinaries, type UploadedBinaries } from './binaries.ts';
import { readControlText } from './control-text.ts';
import { verifyDsc, verifyLoneDsc, type SourcePackage } from './verify-dsc.ts';
import { UploadFiles } from './files.ts';
import { reject, rejecting } from './rejection.ts';
import { requireNotWithdrawn, requireOwnUpload, type EarlierUploads } from './replay.ts';
import { requireRight } from './rights.ts';
import { readSigned, type Authority, type Signer } from './signature.ts';
import { checkSections, checkTarget, componentOf } from './target.ts';
import type { UploadRow } from './upload-row.ts';

/** What became known of an upload, also of one that is rejected in the end. */
export interface UploadFacts {
  source: string | null;
  version: string | null;
  /** Fingerprint. */
  signedBy: string | null;
  /** Of each signed control file; see `Signer.digest`. */
  signedDigests: string[];
  warnings: string[];
}

export interface VerifiedUpload {
  source: string;
  /** The upload's; of a binary-only rebuild (`+b1`) not the source's. */
  version: string;
  /** Whose right it came by: the signer's, or the login's. */
  authority: Authority;
  /** null: binaries only, of a source that was accepted before. */
  sourcePackage: SourcePackage | null;
  /** The source that the binaries are of, where it was accepted before. */
  sourceId: string | null;
  /** What is published as it came (binaryUploads: accept), by architecture. */
  binaries: UploadedBinaries[];
  /** The same content was accepted before: nothing new is built. */
  isRepetition: boolean;
}

export interface Context {
  garage: Garage;
  upload: UploadRow;
  product: Product;
  files: UploadFiles;
  facts: UploadFacts;
  now: Date;
}

export interface VerifyOptions {
  now: Date;
  /** Changes not even modes; for a dry run where the files lie. */
  isReadOnly?: boolean;
}

export function noFacts(): UploadFacts {
  return { source: null, version: null, signedBy: null, signedDigests: [], warnings: [] };
}

/** Verifies the files in `folder`; fills `facts` as far as it comes. Throws `Rejection`. */
export async function verifyUpload(
  garage: Garage,
  upload: UploadRow,
  folder: string,
  facts: UploadFacts,
  options: VerifyOptions,
): Promise<VerifiedUpload> {
  const product = garage.common.products.find(({ name }) => name === upload.product);
  if (!product) throw reject('product-unknown', { product: upload.product });
  const inspecting = { product, isReadOnly: options.isReadOnly ?? false };
  const files = await UploadFiles.inspect(folder, upload.files, inspecting);
  if (upload.disabled) throw reject('account-disabled', { login: upload.login });
  const context: Context = { garage, upload, product, files, facts, now: options.now };
  if (upload.trigger.endsWith('.changes')) return verifyChanges(context);
  if (upload.trigger.endsWith('.dsc')) return verifyDscAlone(context);
  const more = upload.files.length > 1 ? ` and ${String(upload.files.length - 1)} more` : '';
  throw reject('orphan-files', { file: upload.trigger, more });
}

async function verifyChanges(context: Context): Promise<VerifiedUpload> {
  const { garage, upload, facts, product } = context;
  const text = await readControlText(context.files.folder, upload.trigger);
  const { pool } = garage;
  const { content, signer } = await readSigned(pool, text, '.changes', product.signature, context.now);
  noteSigner(facts, signer);
  const changes = await rejecting(upload.trigger, () => parseChanges(content));
  facts.source = changes.source;
  facts.version = changes.version;
  checkTarget(context, changes);
  const earlier = await earlierUploads(context, signer);
  const authority: Authority = signer ?? uploaderOf(upload);
  await requireRight(pool, product, changes.source, authority);
  const accepted = await acceptedVersions(pool, upload.product, changes.source);
  const binaries = await checkBinaries(context, changes, accepted);
  await checkListed(context, changes, accepted);
  const component = checkSections(context, changes);
  const found = { source: changes.source, version: changes.version, authority, binaries: binaries.sets };
  if (!changes.dsc) {
    const { sourceId, isRepetition } = binaries;
    return { ...found, sourcePackage: null, sourceId, isRepetition };
  }
  const dsc = await verifyDsc(context, changes.dsc.name, { component, changes, signer, accepted });
  if (!dsc.isRepetition) requireNotWithdrawn(earlier, upload);
  else if (binaries.sets.length > 0 && earlier.acceptedAt === null) {
    facts.warnings.push('the source was accepted before; the binaries beside it are not taken');
  }
  return { ...found, sourcePackage: dsc, sourceId: null, isRepetition: dsc.isRepetition };
}

/** A .dsc says nothing of where it should go: its signer vouches for the content, the login for the upload. */
async function verifyDscAlone(context: Context): Promise<VerifiedUpload> {
  const { garage, upload, product } = context;
  const { dsc, signer } = await verifyLoneDsc(context);
  const earlier = await earlierUploads(context, signer);
  const authority = uploaderOf(upload);
  await requireRight(garage.pool, product, dsc.source, authority);
  const accepted = await acceptedVersions(garage.pool, upload.product, dsc.source);
  const component = componentOf(product, dsc.packageList[0]?.section);
  const lone = { component, changes: null, signer, accepted };
  const sourcePackage = await verifyDsc(context, upload.trigger, lone);
  if (!sourcePackage.isRepetition) requireNotWithdrawn(earlier, upload);
  return {
    ...{ source: dsc.source, version: dsc.version, authority, sourcePackage, sourceId: null },
    ...{ binaries: [], isRepetition: sourcePackage.isRepetition },
  };
}

function noteSigner(facts: UploadFacts, signer: Signer | null): void {
  if (!signer) return;
  facts.signedBy ??= signer.fingerprint;
  facts.signedDigests.push(signer.digest);
}

async function earlierUploads(context: Context, signer: Signer | null): Promise<EarlierUploads> {
  if (!signer) return { acceptedAt: null };
  return requireOwnUpload(context.garage.pool, context.upload, signer);
}

function uploaderOf({ accountId, login, admin }: UploadRow): Authority {
  return { accountId, login, admin };
}

/** Each listed file, but for orig tarballs that the archive has. */
async function checkListed({ files }: Context, changes: Changes, accepted: AcceptedSource[]): Promise<void> {
  const known = new Set(accepted.flatMap((each) => each.files.map((file: FileEntry) => file.sha256)));
  for (const file of changes.files) {
    const mayBeLeftOut = isOrig(file.name) && known.has(file.sha256);
    if (files.has(file.name) || !mayBeLeftOut) await files.check(file, '.changes');
  }
}
