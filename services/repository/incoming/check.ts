/**
 * Checks a set as if garage had checked nothing: the .dsc and each binary must be readable and say what
 * the manifest says. What comes out is what the indexes will show.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Product } from '../../../shared/config/common.ts';
import { debFileName } from '../../../shared/debian/deb.ts';
import { dscFileName, parseDsc, type Dsc } from '../../../shared/debian/dsc.ts';
import { packagesStanza, sourcesStanza } from '../../../shared/debian/indexes.ts';
import { poolPath, productPool, sourceDirectory } from '../../../shared/debian/pool-path.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import type { SetManifest } from '../../../shared/protocol/set.ts';
import type { NewPackage } from '../pool/records.ts';
import { checkContents, type SetPlace } from './folder.ts';
import { readDeb } from './read-deb.ts';
import { readFileList } from './read-file-list.ts';
import { takeOver, type TakenFile } from './take-over.ts';

/** Larger than any .dsc. */
const MAX_DSC_BYTES = 8 * 1024 * 1024;

export interface CheckedSet {
  place: SetPlace;
  manifest: SetManifest;
  /** Architectures the source is for, as the .dsc has them. */
  dscArchitectures: string[];
  /** The source first, then the binaries. */
  packages: NewPackage[];
  /** Everything that goes into the pool. */
  files: { taken: TakenFile; path: string }[];
  /** Where the copies are. */
  work: string;
}

/**
 * Takes the set's files over into `work`, not durable yet, and checks them. Throws an AppError that says what is wrong
 * with the set (its code goes into `sets.reason_code`); any other error is ours.
 */
export async function checkSet(
  place: SetPlace,
  manifest: SetManifest,
  product: Product,
  work: string,
): Promise<CheckedSet> {
  await checkContents(place, manifest);
  checkScope(manifest, product);
  const taken = await takeOver(place.folder, manifest.files, work);
  const { dsc, file: dscFile } = await readSource(manifest, taken);
  const sourceNames = new Set([manifest.dsc, ...dsc.files.map((each) => each.name)]);
  const packages = [sourcePackage(manifest, dsc, dscFile)];
  const files: CheckedSet['files'] = [];
  for (const file of taken.values()) {
    const kind = kindOf(file.name, sourceNames);
    if (kind === 'deb' || kind === 'udeb') packages.push(await binaryPackage(manifest, file, kind));
    if (kind === 'upload') continue; // how it came is garage's record, not the archive's
    files.push({ taken: file, path: poolPath(manifest.component, manifest.source, file.name) });
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { place, manifest, dscArchitectures: dsc.architectures, packages, files, work };
}

function checkScope(manifest: SetManifest, product: Product): void {
  if (!product.components.includes(manifest.component)) {
    throw new AppError('component-unknown', `${product.name} has no component '${manifest.component}'`);
  }
  if (![...product.architectures, 'all'].includes(manifest.architecture)) {
    throw new AppError(
      'architecture-unknown',
      `${product.name} has no architecture '${manifest.architecture}'`,
    );
  }
}

type FileKind = 'source' | 'deb' | 'udeb' | 'buildinfo' | 'upload';

function kindOf(name: string, sourceNames: ReadonlySet<string>): FileKind {
  if (sourceNames.has(name)) return 'source';
  // .ddeb is what some distributions call a package of debug symbols.
  if (name.endsWith('.deb') || name.endsWith('.ddeb')) return 'deb';
  if (name.endsWith('.udeb')) return 'udeb';
  if (name.endsWith('.buildinfo')) return 'buildinfo';
  if (name.endsWith('.changes')) return 'upload';
  throw new AppError('set-file-unexpected', `${name} is neither listed in the .dsc nor a binary package`);
}

async function readSource(
  manifest: SetManifest,
  taken: ReadonlyMap<string, TakenFile>,
): Promise<{ dsc: Dsc; file: TakenFile }> {
  const file = taken.get(manifest.dsc);
  if (file === undefined || file.size > MAX_DSC_BYTES) {
    throw new AppError('dsc-missing', `${manifest.dsc} is not among the set's files`);
  }
  const text = await readFile(file.file, 'utf8');
  const dsc = parseDsc(text.startsWith('-----BEGIN PGP') ? readClearsigned(text).text : text);
  const isNamed = manifest.dsc === dscFileName(manifest.source, manifest.sourceVersion);
  if (dsc.source !== manifest.source || dsc.version !== manifest.sourceVersion || !isNamed) {
    throw new AppError(
      'dsc-disagrees',
      `${manifest.dsc} is ${dsc.source} ${dsc.version}, the manifest says ${manifest.source} ${manifest.sourceVersion}`,
    );
  }
  for (const listed of dsc.files) checkListed(listed, taken.get(listed.name));
  return { dsc, file };
}

function checkListed(listed: Dsc['files'][number], found: TakenFile | undefined): void {
  if (found === undefined) {
    throw new AppError('dsc-file-missing', `Refers to non-existing file '${listed.name}'`);
  }
  if (found.size !== listed.size) {
    throw new AppError('dsc-file-size', `File size for ${listed.name} does not match that specified in .dsc`);
  }
  for (const sum of ['md5', 'sha1', 'sha256'] as const) {
    if (found[sum] !== listed[sum]) {
      throw new AppError(
        'dsc-file-sum',
        `${sum}sum for ${listed.name} does not match that specified in .dsc`,
      );
    }
  }
}

function sourcePackage(manifest: SetManifest, dsc: Dsc, dscFile: TakenFile): NewPackage {
  const { component, source, product } = manifest;
  const directory = `${productPool(product)}/${sourceDirectory(component, source)}`;
  const first = dsc.packageList.find((entry) => entry.name === source) ?? dsc.packageList[0];
  const archive = { section: first?.section ?? 'misc', priority: first?.priority ?? 'optional' };
  const names = [manifest.dsc, ...dsc.files.map((file) => file.name)];
  return {
    ...{ component, kind: 'source', name: source, version: dsc.version, architecture: 'source' },
    ...{ source, sourceVersion: dsc.version },
    stanza: sourcesStanza(dsc.paragraph, dscFile, directory, archive),
    files: names.map((name) => poolPath(component, source, name)).toSorted(),
  };
}

async function binaryPackage(
  manifest: SetManifest,
  file: TakenFile,
  kind: 'deb' | 'udeb',
): Promise<NewPackage> {
  const control = await readDeb(file.file, file.size);
  const { component, source, sourceVersion, architecture } = manifest;
  if (control.source !== source || control.sourceVersion !== sourceVersion) {
    throw new AppError(
      'deb-source-disagrees',
      `${file.name} was built from ${control.source} ${control.sourceVersion}, not from ${source} ${sourceVersion}`,
    );
  }
  if (control.architecture !== architecture && control.architecture !== 'all') {
    throw new AppError(
      'deb-architecture-disagrees',
      `${file.name} is for ${control.architecture}, the set for ${architecture}`,
    );
  }
  const expected = debFileName(control, path.extname(file.name).slice(1));
  if (file.name !== expected) {
    throw new AppError('deb-name-disagrees', `${file.name} should be named ${expected}`);
  }
  const place = poolPath(component, source, file.name);
  return {
    ...{ component, kind, name: control.package, version: control.version },
    ...{ architecture: control.architecture, source, sourceVersion },
    stanza: packagesStanza(control.paragraph, { ...file, path: `${productPool(manifest.product)}/${place}` }),
    files: [place],
    fileList: await readFileList(file.file, file.size),
  };
}
