/**
 * Takes a build's results out of its target: what the .changes lists, as plain files, checked. The folder was
 * written by the package, so every link, device and name in it is taken for an attack.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { fsyncDirectory, renameDurably } from '../../../shared/files/durable.ts';
import { changesFileNameMatches, parseChanges, type Changes } from '../../../shared/debian/changes.ts';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { jobFailure } from '../build/failure.ts';

/** The largest .changes in Debian is under 1 MiB. */
const MAX_CHANGES_BYTES = 8 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const RESULT_ENDINGS = ['.deb', '.udeb', '.ddeb', '.buildinfo', '.changes'];

function bad(message: string): Error {
  return jobFailure('package', `The results are wrong: ${message}`);
}

/** Copies one regular file and sums it on the way. */
async function copyPlain(from: string, to: string): Promise<FileEntry> {
  const name = path.basename(from);
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw bad(`'${name}' cannot be read: ${messageOf(error)}`);
    },
  );
  const target = await open(to, 'wx', 0o644);
  try {
    if (!(await source.stat()).isFile()) throw bad(`'${name}' is not a regular file`);
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let size = 0;
    for (;;) {
      const { bytesRead } = await source.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      const bytes = buffer.subarray(0, bytesRead);
      hash.update(bytes);
      await target.writeFile(bytes);
      size += bytesRead;
    }
    await target.sync();
    return { name, size, sha256: hash.digest('hex') };
  } finally {
    await source.close();
    await target.close();
  }
}

/** The one .changes in the folder. */
async function findChanges(folder: string): Promise<string> {
  const info = await lstat(folder).catch(() => null);
  if (!info?.isDirectory()) throw bad('the build folder is gone');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.changes'));
  const [name] = names;
  if (name === undefined || names.length !== 1) throw bad(`one .changes was expected, found ${names.length}`);
  const file = await lstat(path.join(folder, name));
  if (file.size > MAX_CHANGES_BYTES) throw bad(`'${name}' is larger than ${MAX_CHANGES_BYTES} bytes`);
  return name;
}

function readChanges(text: string, name: string, job: BuildJob): Changes {
  let changes: Changes;
  try {
    changes = parseChanges(text);
  } catch (error) {
    throw bad(`'${name}' is not in the form: ${messageOf(error)}`);
  }
  const isOurs = changes.source === job.source && changes.sourceVersion === job.sourceVersion;
  if (!isOurs || !/^(\+b[0-9]+)?$/.test(changes.version.slice(job.sourceVersion.length))) {
    throw bad(
      `'${name}' is of ${changes.source} ${changes.version}, not of ${job.source} ${job.sourceVersion}`,
    );
  }
  if (!changes.version.startsWith(job.sourceVersion)) throw bad(`'${name}' has version ${changes.version}`);
  if (!changesFileNameMatches(name, changes))
    throw bad(`'${name}' is not named after its source and version`);
  if (!changes.files.some((file) => /\.u?deb$/.test(file.name)))
    throw bad(`'${name}' lists no binary package`);
  const odd = changes.files.find((file) => !RESULT_ENDINGS.some((ending) => file.name.endsWith(ending)));
  if (odd !== undefined) throw bad(`'${name}' lists '${odd.name}', which is no build result`);
  return changes;
}

async function copyAll(from: string, to: string, job: BuildJob): Promise<FileEntry[]> {
  const name = await findChanges(from);
  const entries = [await copyPlain(path.join(from, name), path.join(to, name))];
  const text = await readFile(path.join(to, name), 'utf8');
  const changes = readChanges(text, name, job);
  for (const listed of changes.files) {
    const entry = await copyPlain(path.join(from, listed.name), path.join(to, listed.name));
    if (entry.size !== listed.size || entry.sha256 !== listed.sha256) {
      throw bad(`'${listed.name}' does not match the sum in '${name}'`);
    }
    entries.push(entry);
  }
  return entries;
}

/**
 * Copies what the build in `from` promises to `results`, which appears whole. Gives its entries, the .changes
 * first. Throws a `package` failure for anything missing, wrong or unsafe.
 */
export async function collectResults(from: string, results: string, job: BuildJob): Promise<FileEntry[]> {
  const partial = `${results}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial);
  const entries = await copyAll(from, partial, job);
  await fsyncDirectory(partial);
  await renameDurably(partial, results);
  return entries;
}
