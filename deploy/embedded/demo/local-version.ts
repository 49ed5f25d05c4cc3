/** A source package of one's own from another's: a local version, signed with one's own key. */
import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDsc } from '../../../shared/debian/dsc.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { clearsign } from '../../../shared/openpgp/sign.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';

export interface Signer {
  /** `Name <mail>` as in a changelog's trailer. */
  identity: string;
  /** Armored OpenPGP private key. */
  privateKey: string;
}

/**
 * Unpacks the source package `dsc`, adds a changelog entry for `<version>+<suffix>` in `distribution`,
 * packs it again and makes a signed source-only .changes beside it. Returns the path of the .changes.
 */
export async function makeLocalVersion(
  dsc: string,
  options: { suffix: string; distribution: string; signer: Signer },
): Promise<string> {
  const folder = path.dirname(dsc);
  const tools = { cwd: folder, env: minimalEnvironment({ LC_ALL: 'C.UTF-8', TZ: 'UTC' }) };
  const tree = path.join(folder, 'tree');
  await runChecked(['dpkg-source', '--no-check', '-x', dsc, tree], tools);
  const { source, version } = await readSource(dsc);
  const local = `${version}+${options.suffix}`;
  await addChangelogEntry(tree, source, local, options);
  await runChecked(['dpkg-source', '-b', tree], tools);
  const withoutEpoch = local.replace(/^\d+:/, '');
  const own = path.join(folder, `${source}_${withoutEpoch}.dsc`);
  await sign(own, options.signer);
  const { stdout } = await runChecked(['dpkg-genchanges', '-S', '-sa', '-q'], { ...tools, cwd: tree });
  const changes = path.join(folder, `${source}_${withoutEpoch}_source.changes`);
  await writeFile(changes, stdout);
  await sign(changes, options.signer);
  return changes;
}

/** Packs an unpacked source tree whose upstream files stand beside debian/; returns the path of the .dsc. */
export async function packTree(tree: string): Promise<string> {
  const folder = path.dirname(tree);
  const changelog = await readFile(path.join(tree, 'debian', 'changelog'), 'utf8');
  const [, source = '', version = ''] = /^(\S+) \(([^)]+)\)/.exec(changelog) ?? [];
  const upstream = version.replace(/^\d+:/, '').replace(/-[^-]*$/, '');
  const orig = `${source}_${upstream}.orig.tar.xz`;
  // The same bytes each time: an upstream tarball, once uploaded, keeps its content for ever.
  const fixed = [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
  ];
  const tar = ['--create', '--xz', ...fixed, '--exclude=./debian', `--file=${orig}`];
  await runChecked(['tar', ...tar, `--transform=s,^\\.,${source}-${upstream},`, `--directory=${tree}`, '.'], {
    cwd: folder,
  });
  await runChecked(['dpkg-source', '-b', tree], { cwd: folder });
  return path.join(folder, `${source}_${version.replace(/^\d+:/, '')}.dsc`);
}

async function readSource(dsc: string): Promise<{ source: string; version: string }> {
  const text = await readFile(dsc, 'utf8');
  const signed = /^-----BEGIN PGP SIGNED MESSAGE-----\n[^]*?\n\n([^]*?)\n-----BEGIN PGP SIGNATURE/.exec(text);
  return parseDsc(signed?.[1] ? `${signed[1]}\n` : text);
}

async function addChangelogEntry(
  tree: string,
  source: string,
  version: string,
  options: { distribution: string; signer: Signer },
): Promise<void> {
  const file = path.join(tree, 'debian', 'changelog');
  const date = new Date().toUTCString().replace('GMT', '+0000');
  const entry = `${source} (${version}) ${options.distribution}; urgency=medium\n\n  * Local build.\n\n -- ${options.signer.identity}  ${date}\n\n`;
  await writeFile(`${file}.new`, entry + (await readFile(file, 'utf8')));
  await rename(`${file}.new`, file);
}

async function sign(file: string, signer: Signer): Promise<void> {
  const text = await readFile(file, 'utf8').catch(async () => {
    const found = (await readdir(path.dirname(file))).join(', ');
    throw new AppError(
      'source-not-packed',
      `${path.basename(file)} was not made; the folder holds: ${found}`,
    );
  });
  await writeFile(file, await clearsign(text, signer.privateKey, new Date()));
}
