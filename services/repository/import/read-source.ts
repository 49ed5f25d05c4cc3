/** Reads a source package: the .dsc, and the sums of everything that it lists. */
import path from 'node:path';
import { dscFileName, parseDsc, type Dsc } from '../../../shared/debian/dsc.ts';
import { sourcesStanza } from '../../../shared/debian/indexes.ts';
import { poolPath, productPool, sourceDirectory } from '../../../shared/debian/pool-path.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import { readSourceList } from '../incoming/read-source-list.ts';
import type { Candidate } from './candidate.ts';
import { behindLink, checkExpected, hashOpen, readFully, withFile, type Hashed } from './open-file.ts';
import { componentOf, nameOf, packList, type ReadPackage, type ReadScope } from './read-package.ts';

const MAX_DSC_BYTES = 8 * 1024 * 1024;

/** Throws an AppError that says why it cannot be taken. */
export async function readSource(scope: ReadScope, candidate: Candidate): Promise<ReadPackage> {
  const folder = path.dirname(candidate.path);
  const { file, dsc } = await readDsc(scope, candidate);
  const files = [{ ...file, from: behindLink(scope.root, candidate.path) }];
  for (const listed of dsc.files) {
    const relative = behindLink(scope.root, candidate.files?.[listed.name] ?? path.join(folder, listed.name));
    const found = await withFile(scope.root, relative, (fd, stat) =>
      Promise.resolve(hashOpen(fd, stat, listed.name)),
    );
    checkExpected(found, listed, '.dsc');
    files.push({ ...found, from: relative });
  }
  const first = dsc.packageList.find((entry) => entry.name === dsc.source) ?? dsc.packageList[0];
  const archive = {
    section: candidate.section ?? first?.section ?? 'misc',
    priority: candidate.priority ?? first?.priority ?? 'optional',
  };
  const component = candidate.component ?? componentOf(scope, archive.section);
  const directory = `${productPool(scope.product)}/${sourceDirectory(component, dsc.source)}`;
  return {
    ...{ component, kind: 'source', name: dsc.source, version: dsc.version, architecture: 'source' },
    ...{ source: dsc.source, sourceVersion: dsc.version },
    stanza: sourcesStanza(dsc.paragraph, file, directory, archive),
    files: files
      .map(({ name, from, stamp, size, sha256 }) => {
        return { from, stamp, path: poolPath(component, dsc.source, name), size, sha256 };
      })
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
    list: scope.contentsSource ? await sourceList(scope, files) : null,
    override: { section: null, priority: null },
  };
}

/** Contents is a convenience: a source whose tars cannot be listed is still a source. */
async function sourceList(
  scope: ReadScope,
  files: readonly { from: string }[],
): Promise<ReadPackage['list']> {
  try {
    return packList(await readSourceList(files.map((file) => joinInside(scope.root, file.from))));
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

async function readDsc(scope: ReadScope, candidate: Candidate): Promise<{ file: Hashed; dsc: Dsc }> {
  const name = nameOf(candidate);
  const { file, text } = await withFile(scope.root, behindLink(scope.root, candidate.path), (fd, found) => {
    if (found.size > BigInt(MAX_DSC_BYTES))
      throw new AppError('dsc-invalid', `${name} is too large for a .dsc`);
    const hashed = hashOpen(fd, found, name);
    const bytes = Buffer.alloc(hashed.size);
    readFully(fd, bytes, 0);
    return Promise.resolve({ file: hashed, text: bytes.toString('utf8') });
  });
  if (candidate.expected) checkExpected(file, candidate.expected, 'the index');
  const dsc = parseDsc(text.startsWith('-----BEGIN PGP') ? readClearsigned(text).text : text);
  const expected = dscFileName(dsc.source, dsc.version);
  if (name !== expected) throw new AppError('dsc-name-disagrees', `${name} should be named ${expected}`);
  return { file, dsc };
}
