/** Reads a binary package: its sums, its control data, what it unpacks to. */
import path from 'node:path';
import type { ArMember, ReadAt } from '../../../shared/debian/ar.ts';
import { debFileName, extractControl, readDebMembers } from '../../../shared/debian/deb.ts';
import { packagesStanza } from '../../../shared/debian/indexes.ts';
import { isOverridePriority, isOverrideSection } from '../../../shared/debian/override.ts';
import type { Paragraph } from '../../../shared/debian/paragraph.ts';
import { poolPath, productPool } from '../../../shared/debian/pool-path.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { unxzControl } from '../incoming/read-deb.ts';
import { readFileList, readSmallList } from '../incoming/read-file-list.ts';
import type { Candidate } from './candidate.ts';
import { behindLink, checkExpected, checkSizeFirst, hashOpen, readerOf, withFile } from './open-file.ts';
import { componentOf, nameOf, packList, type ReadPackage, type ReadScope } from './read-package.ts';

/** Packed and unpacked sizes of data members that are read without a child: a second at the worst. */
const SMALL_DATA_BYTES = 512 * 1024;
const SMALL_TAR_BYTES = 16 * 1024 * 1024;

/** Throws an AppError that says why it cannot be taken. */
export async function readBinary(scope: ReadScope, candidate: Candidate): Promise<ReadPackage> {
  const name = nameOf(candidate);
  const from = behindLink(scope.root, candidate.path);
  const { file, control, list } = await withFile(scope.root, from, async (fd, found) => {
    checkSizeFirst(name, found, candidate.expected);
    const hashed = hashOpen(fd, found, name);
    if (candidate.expected) checkExpected(hashed, candidate.expected, 'the index');
    const readAt = readerOf(fd, hashed.size);
    const members = await readDebMembers(readAt, hashed.size);
    const bytes = await readAt(members.control.offset, members.control.size);
    const read = await extractControl(members.control.name, bytes, unxzControl);
    const paths = scope.contents
      ? await readPaths(joinInside(scope.root, from), { readAt, data: members.data, size: hashed.size })
      : null;
    return { file: hashed, control: read, list: paths === null ? null : packList(paths) };
  });
  const component = candidate.component ?? componentOf(scope, control.paragraph.get('Section'));
  const ending = candidate.kind === 'udeb' ? 'udeb' : path.extname(name).slice(1);
  const place = poolPath(component, control.source, debFileName(control, ending));
  return {
    ...{ component, kind: candidate.kind, name: control.package, version: control.version },
    ...{ architecture: control.architecture, source: control.source, sourceVersion: control.sourceVersion },
    stanza: packagesStanza(control.paragraph, { ...file, path: `${productPool(scope.product)}/${place}` }),
    files: [{ from, stamp: file.stamp, path: place, size: file.size, sha256: file.sha256 }],
    list,
    override: overrideOf(control.paragraph, candidate),
  };
}

/** At once where the data member is small, by a stream and a child where it is not. */
async function readPaths(
  file: string,
  { readAt, data, size }: { readAt: ReadAt; data: ArMember; size: number },
): Promise<string[]> {
  const bytes = data.size <= SMALL_DATA_BYTES ? await readAt(data.offset, data.size) : null;
  const list = bytes === null ? null : readSmallList(data.name, bytes, SMALL_TAR_BYTES);
  return list ?? readFileList(file, size);
}

/** What the archive says otherwise, in a form that an override may have. */
function overrideOf(control: Paragraph, { section, priority }: Candidate): ReadPackage['override'] {
  const differs = (name: string, given: string | null): given is string =>
    given !== null && control.get(name) !== given;
  return {
    section: differs('Section', section) && isOverrideSection(section) ? section : null,
    priority: differs('Priority', priority) && isOverridePriority(priority) ? priority : null,
  };
}
