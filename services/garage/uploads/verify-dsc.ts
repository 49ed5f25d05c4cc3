/** Verifies a .dsc and the source package that it lists. */
import { architecturesToBuild } from '../../../shared/debian/architecture.ts';
import type { Changes } from '../../../shared/debian/changes.ts';
import { dscFileName, parseDsc, type Dsc } from '../../../shared/debian/dsc.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { queueVersions, type AcceptedSource } from './archive.ts';
import { checkAgainstArchive } from './archive-check.ts';
import { readControlText } from './control-text.ts';
import { reject, rejecting } from './rejection.ts';
import { claimsSignature, readSigned, type Signer } from './signature.ts';
import type { Context } from './verify.ts';

export interface SourcePackage {
  component: string;
  /** Name of the .dsc. */
  dsc: string;
  version: string;
  /** The Architecture field of the .dsc, split. */
  architectures: string[];
  /** The whole source package, orig tarballs that only the archive has included. */
  files: FileEntry[];
  isRepetition: boolean;
}

export interface DscQuestion {
  component: string;
  /** null for a .dsc on its own. */
  changes: Changes | null;
  /** Of the .changes, or of the .dsc on its own. */
  signer: Signer | null;
  accepted: AcceptedSource[];
}

/** The .dsc with everything it lists, held to the .changes and the archive. */
export async function verifyDsc(
  context: Context,
  name: string,
  question: DscQuestion,
): Promise<SourcePackage> {
  const { garage, upload, files, facts } = context;
  const { changes, component, accepted } = question;
  const dsc = await readDsc(context, name, question);
  facts.source = dsc.source;
  facts.version = dsc.version;
  checkDscName(name, dsc, changes);
  checkArchitectures(context, dsc);
  const { sums, size } = await files.sums(name);
  const own: FileEntry = { name, size, sha256: sums['sha256'] ?? '' };
  const answer = await checkAgainstArchive({
    ...{ product: upload.product, isLone: changes === null, dsc, own, files, accepted },
    target: garage.common.queues[0].name,
    queues: await queueVersions(garage.pool, upload.product, dsc.source),
  });
  return { component, dsc: name, version: dsc.version, architectures: dsc.architectures, ...answer };
}

/** A .dsc on its own with who signed it, before anything else is known of it. */
export async function verifyLoneDsc(context: Context): Promise<{ dsc: Dsc; signer: Signer | null }> {
  const { garage, upload, files, facts, product, now } = context;
  const text = await readControlText(files.folder, upload.trigger);
  const { content, signer } = await readSigned(garage.pool, text, '.dsc', product.signature, now);
  if (signer) {
    facts.signedBy = signer.fingerprint;
    facts.signedDigests.push(signer.digest);
  }
  const dsc = await rejecting(upload.trigger, () => parseDsc(content));
  facts.source = dsc.source;
  facts.version = dsc.version;
  return { dsc, signer };
}

/** Parses a .dsc; a signature that is there must hold and be by the key of the .changes. */
async function readDsc(context: Context, name: string, question: DscQuestion): Promise<Dsc> {
  const { garage, facts, files, product, now } = context;
  const text = await readControlText(files.folder, name);
  // The .changes, or who logged in, vouches for an unsigned one.
  if (question.changes && !claimsSignature(text)) return rejecting(name, () => parseDsc(text));
  const { content, signer } = await readSigned(garage.pool, text, '.dsc', product.signature, now);
  if (signer && question.signer && signer.fingerprint !== question.signer.fingerprint) {
    throw reject('signature-other-key', { changes: context.upload.trigger });
  }
  if (signer) {
    facts.signedBy ??= signer.fingerprint;
    if (!facts.signedDigests.includes(signer.digest)) facts.signedDigests.push(signer.digest);
  }
  return rejecting(name, () => parseDsc(content));
}

function checkDscName(name: string, dsc: Dsc, changes: Changes | null): void {
  const expected = dscFileName(dsc.source, dsc.version);
  if (name !== expected) throw reject('file-name-conflict', { file: name, expected });
  if (!changes) return;
  if (dsc.source === changes.source && dsc.version === changes.sourceVersion) return;
  const theirs = `${dsc.source} ${dsc.version}`;
  throw reject('dsc-conflict', { file: name, theirs, ours: `${changes.source} ${changes.sourceVersion}` });
}

function checkArchitectures({ product }: Context, dsc: Dsc): void {
  const builds = architecturesToBuild(dsc.architectures, product.architectures, product.architectures[0]);
  if (builds.length > 0) return;
  throw reject('architecture-mismatch', {
    ...{ source: dsc.source, product: product.name },
    ...{ architectures: dsc.architectures.join(' '), ours: product.architectures.join(' ') },
  });
}
