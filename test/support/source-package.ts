/**
 * Real source packages from the trees in test/fixtures/packages, made as a developer makes them (dpkg-source,
 * dpkg-genchanges), the same bytes for the same inputs. No root and no network needed.
 */
import { chmod, copyFile, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCleartextMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { hashFile } from '../../shared/files/hash-file.ts';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';
import { machineCodename } from '../../shared/config/machine.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/packages', import.meta.url));
/** 2024-01-01, the date of the fixtures' changelogs. */
const DEFAULT_EPOCH_SECONDS = 1_704_067_200;

export interface SourcePackageOptions {
  outDir: string;
  /** Default: the fixture's. */
  version?: string;
  /** Default: the machine's release. */
  distribution?: string;
  /** Date of the changelog entry and of every file. */
  epochSeconds?: number;
}

export interface SourcePackage {
  source: string;
  version: string;
  /** Absolute paths. */
  dsc: string;
  changes: string;
  /** What a client uploads, the .changes last. */
  files: string[];
}

/** Copies a tree with the modes that a fresh checkout under umask 022 has. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) {
      await copyTree(source, target);
      continue;
    }
    await copyFile(source, target);
    await chmod(target, ((await stat(source)).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

async function rewriteChangelog(
  tree: string,
  options: SourcePackageOptions,
  epochSeconds: number,
): Promise<void> {
  const file = path.join(tree, 'debian/changelog');
  const text = await readFile(file, 'utf8');
  const date = new Date(epochSeconds * 1000).toUTCString().replace('GMT', '+0000');
  const distribution = options.distribution ?? (await machineCodename());
  const changed = text
    .replace(/\(([^)]+)\) \S+;/, (_, version: string) => `(${options.version ?? version}) ${distribution};`)
    .replace(/( -- .*>  ).*/, (_, signature: string) => `${signature}${date}`);
  await writeFile(file, changed);
}

async function changelogVersion(tree: string): Promise<string> {
  const text = await readFile(path.join(tree, 'debian/changelog'), 'utf8');
  const version = /\(([^)]+)\)/.exec(text)?.[1];
  if (version === undefined) throw new Error(`${tree}/debian/changelog names no version`);
  return version;
}

async function makeOrig(tree: string, name: string, upstream: string, epochSeconds: number): Promise<void> {
  const isNative = (await readFile(path.join(tree, 'debian/source/format'), 'utf8')).includes('native');
  if (isNative) return;
  const parent = path.dirname(tree);
  await runChecked(
    [
      'tar',
      '--create',
      '--xz',
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      `--mtime=@${epochSeconds}`,
      '--exclude=./debian',
      `--transform=s,^\\.,${name}-${upstream},`,
      `--file=${parent}/${name}_${upstream}.orig.tar.xz`,
      `--directory=${tree}`,
      '.',
    ],
    { cwd: parent },
  );
}

/**
 * Makes `<name>_<version>.dsc`, its tarballs and an unsigned `..._source.changes` in `outDir` (made if it is
 * missing; files of the same names are replaced).
 */
export async function makeSourcePackage(name: string, options: SourcePackageOptions): Promise<SourcePackage> {
  const epochSeconds = options.epochSeconds ?? DEFAULT_EPOCH_SECONDS;
  await mkdir(options.outDir, { recursive: true });
  const work = await mkdtemp(path.join(options.outDir, '.work-'));
  try {
    const tree = path.join(work, name);
    await copyTree(path.join(FIXTURES, name), tree);
    await rewriteChangelog(tree, options, epochSeconds);
    const version = await changelogVersion(tree);
    const fileVersion = version.replace(/^[0-9]+:/, '');
    await makeOrig(tree, name, fileVersion.replace(/-[^-]*$/, ''), epochSeconds);
    const env = minimalEnvironment({ SOURCE_DATE_EPOCH: String(epochSeconds) });
    await runChecked(['dpkg-source', '--build', tree], { cwd: work, env });
    const changes = `${name}_${fileVersion}_source.changes`;
    await runChecked(['dpkg-genchanges', '-S', '-sa', `-O../${changes}`], { cwd: tree, env });
    await rm(tree, { recursive: true });
    const names = (await readdir(work)).filter((file) => file !== changes).sort();
    for (const file of [...names, changes])
      await copyFile(path.join(work, file), path.join(options.outDir, file));
    const inOut = (file: string): string => path.join(options.outDir, file);
    return {
      source: name,
      version,
      dsc: inOut(`${name}_${fileVersion}.dsc`),
      changes: inOut(changes),
      files: [...names, changes].map(inOut),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A fresh OpenPGP key (ed25519) of a tester, both halves armored. */
export async function makeSigningKey(
  email = 'tester@example.org',
): Promise<{ privateKey: string; publicKey: string }> {
  return generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: 'Package Tester', email }],
    format: 'armored',
  });
}

/** Replaces a text file by its clear-signed form. */
export async function clearsignFile(file: string, privateKey: string): Promise<void> {
  const message = await createCleartextMessage({ text: await readFile(file, 'utf8') });
  const signed = await sign({ message, signingKeys: await readPrivateKey({ armoredKey: privateKey }) });
  await writeFile(file, signed);
}

/** Signs a .changes and the .dsc beside it, as debsign(1): the .dsc first, since that changes its sums. */
export async function signChanges(changes: string, privateKey: string): Promise<void> {
  let text = await readFile(changes, 'utf8');
  const dsc = / (\S+\.dsc)$/m.exec(text)?.[1];
  if (dsc !== undefined) {
    const file = path.join(path.dirname(changes), dsc);
    await clearsignFile(file, privateKey);
    const { size, sums } = await hashFile(file, ['md5', 'sha1', 'sha256']);
    const byLength = new Map(Object.values(sums).map((sum) => [sum.length, sum]));
    const line = new RegExp(`^ ([0-9a-f]{32,64}) [0-9]+ (.*)$`, 'gm');
    text = text.replace(line, (whole, old: string, rest: string) =>
      rest === dsc || rest.endsWith(` ${dsc}`)
        ? ` ${byLength.get(old.length) ?? old} ${size} ${rest}`
        : whole,
    );
    await writeFile(changes, text);
  }
  await clearsignFile(changes, privateKey);
}
