/**
 * The source package that a trial build builds: native, tiny, without debhelper, so that nothing but the base
 * is needed. Made here, the same bytes each time.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { FileEntry } from '../../../shared/protocol/names.ts';

export const TRIAL_SOURCE = 'autobuilder-trial';
export const TRIAL_VERSION = '1.0';
const STEM = `${TRIAL_SOURCE}_${TRIAL_VERSION}`;
const MAINTAINER = 'Autobuilder <autobuilder@localhost>';
/** 2024-01-01, as in its changelog. */
const WRITTEN = new Date(1_704_067_200_000);

const CONTROL = `Source: ${TRIAL_SOURCE}
Section: misc
Priority: optional
Maintainer: ${MAINTAINER}
Standards-Version: 4.6.2

Package: ${TRIAL_SOURCE}
Architecture: any
Description: shows that a builder host can build
 Built when a host is tested, and never published.
`;

const CHANGELOG = `${TRIAL_SOURCE} (${TRIAL_VERSION}) unstable; urgency=medium

  * A trial.

 -- ${MAINTAINER}  Mon, 01 Jan 2024 00:00:00 +0000
`;

const RULES = `#!/usr/bin/make -f
root = debian/${TRIAL_SOURCE}

build build-arch build-indep:

binary: binary-arch binary-indep
binary-indep:
binary-arch:
	install -d $(root)/DEBIAN $(root)/usr/share/doc/${TRIAL_SOURCE}
	install -m 644 debian/copyright $(root)/usr/share/doc/${TRIAL_SOURCE}/
	dpkg-gencontrol -p${TRIAL_SOURCE} -P$(root)
	dpkg-deb --root-owner-group --build $(root) ..

clean:
	rm -rf $(root) debian/files debian/substvars

.PHONY: build build-arch build-indep binary binary-arch binary-indep clean
`;

const COPYRIGHT = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: the authors of this project
License: MIT
`;

export interface TrialFile extends FileEntry {
  bytes: Buffer;
}

export interface TrialPackage {
  /** Name of the .dsc among the files. */
  dsc: string;
  files: TrialFile[];
}

async function tarball(): Promise<Buffer> {
  const tar = pack();
  const add = (name: string, content: string, mode = 0o644): void => {
    tar.entry({ name: `${TRIAL_SOURCE}-${TRIAL_VERSION}/debian/${name}`, mode, mtime: WRITTEN }, content);
  };
  add('control', CONTROL);
  add('changelog', CHANGELOG);
  add('copyright', COPYRIGHT);
  add('rules', RULES, 0o755);
  add('source/format', '3.0 (native)\n');
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

function file(name: string, bytes: Buffer): TrialFile {
  return { name, bytes, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function dscOf(tar: TrialFile): string {
  const line = (algorithm: string): string =>
    ` ${createHash(algorithm).update(tar.bytes).digest('hex')} ${String(tar.size)} ${tar.name}`;
  return [
    ...['Format: 3.0 (native)', `Source: ${TRIAL_SOURCE}`, `Binary: ${TRIAL_SOURCE}`, 'Architecture: any'],
    ...[`Version: ${TRIAL_VERSION}`, `Maintainer: ${MAINTAINER}`, 'Standards-Version: 4.6.2'],
    ...['Package-List:', ` ${TRIAL_SOURCE} deb misc optional arch=any`],
    ...['Checksums-Sha1:', line('sha1'), 'Checksums-Sha256:', line('sha256'), 'Files:', line('md5'), ''],
  ].join('\n');
}

/** Makes it. */
export async function makeTrialPackage(): Promise<TrialPackage> {
  const tar = file(`${STEM}.tar.gz`, await tarball());
  const dsc = file(`${STEM}.dsc`, Buffer.from(dscOf(tar)));
  return { dsc: dsc.name, files: [dsc, tar] };
}
