/** Files that the runner puts into every base: quiet apt, quick dpkg, no services, a user who builds. */
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deb822Sources, type ResolvedSource } from './apt-sources.ts';

/** Who builds within a target. 1000: the first that adduser gives to people, so no package takes it. */
export const BUILD_USER = { name: 'builder', id: 1000 } as const;

/** The same in every target, so that none can be told from another. */
export const HOST_NAME = 'target';

const APT_CONF = `Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Keep-Downloaded-Packages "false";
APT::Update::Error-Mode "any";
Dpkg::Use-Pty "false";
DPkg::Options { "--force-confold"; };
`;

/** invoke-rc.d(8): 101 forbids every action, so a package's service never starts in a target. */
const POLICY_RC_D = '#!/bin/sh\nexit 101\n';

/** Path in the target of the key of source `index` of list `list`. */
export function keyPathInTarget(list: string, sources: ResolvedSource[], index: number): string {
  return `/etc/apt/keyrings/${list}-${index}${sources[index]?.keyEnding ?? '.gpg'}`;
}

/** Writes `content` below `root`; what stood there, a link too, is replaced. */
export async function placeFile(
  root: string,
  file: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> {
  const full = path.join(root, file);
  await mkdir(path.dirname(full), { recursive: true, mode: 0o755 });
  await rm(full, { force: true });
  await writeFile(full, content);
  await chmod(full, mode);
}

/** `sources.list.d/<list>.sources` and the keys it names. */
export async function placeSources(root: string, list: string, sources: ResolvedSource[]): Promise<void> {
  for (const [index, source] of sources.entries()) {
    await placeFile(root, keyPathInTarget(list, sources, index), source.key);
  }
  const text = deb822Sources(sources, (index) => keyPathInTarget(list, sources, index));
  await placeFile(root, `/etc/apt/sources.list.d/${list}.sources`, text);
}

async function addBuildUser(root: string): Promise<void> {
  const { name, id } = BUILD_USER;
  const etc = path.join(root, 'etc');
  if (new RegExp(`^${name}:`, 'm').test(await readFile(path.join(etc, 'passwd'), 'utf8'))) return;
  await appendFile(path.join(etc, 'passwd'), `${name}:x:${id}:${id}:Package builder:/nonexistent:/bin/sh\n`);
  await appendFile(path.join(etc, 'group'), `${name}:x:${id}:\n`);
  await appendFile(path.join(etc, 'shadow'), `${name}:!:1::::::\n`);
}

/** Makes a freshly unpacked system at `root` a base. Run as the runner's user, who is root in it. */
export async function configureBase(root: string, sources: ResolvedSource[]): Promise<void> {
  await placeFile(root, '/etc/apt/sources.list', '');
  await rm(path.join(root, 'etc/apt/apt.conf.d/99mmdebstrap'), { force: true });
  await placeFile(root, '/etc/apt/apt.conf.d/90autobuilder', APT_CONF);
  await placeFile(root, '/etc/dpkg/dpkg.cfg.d/autobuilder', 'force-unsafe-io\n');
  await placeFile(root, '/usr/sbin/policy-rc.d', POLICY_RC_D, 0o755);
  await placeFile(root, '/etc/hostname', `${HOST_NAME}\n`);
  await placeSources(root, 'base', sources);
  await addBuildUser(root);
}
