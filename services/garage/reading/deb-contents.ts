/**
 * What is in the packages that an attempt built: control fields and lists of files, by dpkg-deb as a child.
 * Nothing is unpacked, and each child has a limit of time, memory and output: the packages come from a build
 * that may have been anybody's.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { parseParagraph } from '../../../shared/debian/deb822.ts';
import { run } from '../../../shared/process/run.ts';

export interface PackageFile {
  /** Absolute, as in the package, without the leading dot. */
  path: string;
  mode: string;
  owner: string;
  size: number;
  /** Target of a link, else null. */
  link: string | null;
}

export interface BuiltPackage {
  name: string;
  architecture: string;
  version: string;
  /** Of the .deb, in bytes. */
  size: number;
  control: Record<string, string>;
  /** Null where the package was too large to look into. */
  files: PackageFile[] | null;
}

/** Unpacking 100 MiB of xz takes some seconds; a set waits that long before it is published. */
const MAX_LISTED_BYTES = 96 * 1024 * 1024;
/** All packages of one attempt together. */
const MAX_TOTAL_LISTED_BYTES = 256 * 1024 * 1024;
/** More packages than any source in Debian builds but a few; the others are compared by name only. */
const MAX_PACKAGES = 300;
/** Kernel headers have about 20,000. */
const MAX_FILES = 50_000;
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;
/** xz may ask for 65 MiB with dpkg's own settings, and for 4 GiB with those of somebody who means harm. */
const MAX_MEMORY_BYTES = 768 * 1024 * 1024;

/** The packages of `names` in `folder`; one that cannot be read is left out: the repository will say why. */
export async function readPackages(folder: string, names: readonly string[]): Promise<BuiltPackage[]> {
  const packages: BuiltPackage[] = [];
  let listedBytes = 0;
  for (const name of names.slice(0, MAX_PACKAGES)) {
    const file = path.join(folder, name);
    const size = (await stat(file).catch(() => null))?.size;
    if (size === undefined) continue;
    const control = await readControl(file);
    if (control === null) continue;
    const isListed = size <= MAX_LISTED_BYTES && listedBytes + size <= MAX_TOTAL_LISTED_BYTES;
    if (isListed) listedBytes += size;
    packages.push({ ...control, size, files: isListed ? await readFiles(file) : null });
  }
  return packages;
}

async function dpkgDeb(option: string, file: string): Promise<string | null> {
  const limits = [`--as=${String(MAX_MEMORY_BYTES)}`, `--cpu=${String(TIMEOUT_MS / 1000)}`, '--core=0'];
  const { code, stdout } = await run(['prlimit', ...limits, '--', 'dpkg-deb', option, file], {
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
  });
  return code === 0 ? stdout.toString('utf8') : null;
}

async function readControl(
  file: string,
): Promise<Pick<BuiltPackage, 'name' | 'architecture' | 'version' | 'control'> | null> {
  const text = await dpkgDeb('--field', file);
  if (text === null) return null;
  try {
    const paragraph = parseParagraph(text);
    return {
      name: paragraph.require('Package'),
      architecture: paragraph.require('Architecture'),
      version: paragraph.require('Version'),
      control: Object.fromEntries(paragraph.entries()),
    };
  } catch {
    return null;
  }
}

async function readFiles(file: string): Promise<PackageFile[] | null> {
  const text = await dpkgDeb('--contents', file);
  if (text === null) return null;
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length > MAX_FILES) return null;
  return lines.map(parseLine).filter((each) => each !== null);
}

/** `-rw-r--r-- root/root  1234 2024-01-01 00:00 ./usr/bin/x`, ` -> target` for a symlink, ` link to ./x` for a hard one. */
const LINE = /^([-dlcbphs][-rwxsStT]{9})\s+(\S+)\s+(\d+|\d+,\s*\d+)\s+\d{4}-\d\d-\d\d \d\d:\d\d \.?(\/.*)$/;

function parseLine(line: string): PackageFile | null {
  const [, mode, owner, size, rest] = LINE.exec(line) ?? [];
  if (mode === undefined || owner === undefined || rest === undefined) return null;
  const [, name = rest, link = null] =
    (mode.startsWith('l') ? /^(.*?) -> (.*)$/ : /^(.*?) link to (.*)$/).exec(rest) ?? [];
  return { path: name, mode, owner, size: Number(size) || 0, link };
}
