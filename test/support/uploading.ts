/** Uploaders for tests: accounts with real keys, packages made by dpkg's tools, files put into the spool. */
import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { addAccount, type Account } from '../../services/garage/accounts/accounts.ts';
import type { Garage } from '../../services/garage/context.ts';
import { takeUploads } from '../../services/garage/uploads/take-uploads.ts';
import type { UploadOutcome } from '../../services/garage/uploads/outcome.ts';
import { spoolFolder } from '../../shared/protocol/spool.ts';
import { runChecked } from '../../shared/process/run.ts';
import { clearsignFile, makeSigningKey, makeSourcePackage } from './source-package.ts';

export interface Uploader extends Account {
  /** Armored OpenPGP private key. */
  privateKey: string;
}

/** Names of an upload's files with where they lie before they are sent. */
export type Files = Map<string, string>;

/** An account with a fresh OpenPGP key. */
export async function addUploader(garage: Garage, login: string): Promise<Uploader> {
  const email = `${login}@example.org`;
  const key = await makeSigningKey(email);
  const account = await addAccount(garage, { login, email, sshKeys: [], openpgpKeys: [key.publicKey] });
  return { ...account, privateKey: key.privateKey };
}

/** Fixture packages in one folder, each version made once. */
export class PackageShelf {
  readonly #folder: string;
  readonly #made = new Map<string, Promise<Files>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A fresh, unsigned copy for product bookworm; what a test does to it stays with the test. */
  async take(name: string, version?: string): Promise<Files> {
    const key = `${name}_${version ?? ''}`;
    const made = this.#made.get(key) ?? this.#make(name, version, path.join(this.#folder, key));
    this.#made.set(key, made);
    const copy = path.join(this.#folder, randomBytes(6).toString('hex'));
    await mkdir(copy, { recursive: true });
    const files: Files = new Map();
    for (const [file, at] of await made) {
      files.set(file, path.join(copy, file));
      await copyFile(at, path.join(copy, file));
    }
    return files;
  }

  async #make(name: string, version: string | undefined, outDir: string): Promise<Files> {
    const options = { outDir, distribution: 'bookworm', ...(version === undefined ? {} : { version }) };
    const { files } = await makeSourcePackage(name, options);
    return new Map(files.map((file) => [path.basename(file), file]));
  }
}

/** The one name with this ending. */
export function nameOf(files: Files, ending: string): string {
  const name = [...files.keys()].find((each) => each.endsWith(ending));
  if (name === undefined) throw new Error(`no ${ending} among ${[...files.keys()].join(' ')}`);
  return name;
}

/** Rewrites a text file. */
export async function edit(files: Files, ending: string, change: (text: string) => string): Promise<void> {
  const file = files.get(nameOf(files, ending))!;
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`the edit of ${file} changed nothing`);
  await writeFile(file, changed);
}

/** Clearsigns the .changes (or what has that ending) as it is. */
export async function signFile(files: Files, by: Uploader, ending = '.changes'): Promise<void> {
  await clearsignFile(files.get(nameOf(files, ending))!, by.privateKey);
}

/** Sends the files as drop does, the control files last. */
export async function putFiles(
  garage: Garage,
  login: string,
  files: Files,
  product = 'bookworm',
): Promise<void> {
  const folder = spoolFolder(garage.home.incoming, product, login);
  await mkdir(folder, { recursive: true });
  for (const [name, from] of files) {
    await copyFile(from, path.join(folder, `${name}.partial`));
    await rename(path.join(folder, `${name}.partial`), path.join(folder, name));
  }
}

/** One round as it would be `laterS` seconds from now. */
export function round(garage: Garage, laterS = 0): Promise<UploadOutcome[]> {
  return takeUploads(garage, { now: new Date(Date.now() + laterS * 1000) });
}

/** Names in a folder, sorted; none for a folder that is not there. */
export async function namesIn(...parts: string[]): Promise<string[]> {
  const names: string[] = await readdir(path.join(...parts)).catch(() => []);
  return names.toSorted();
}

/** Writes a changed file's size and sums into the .changes, or into what has that ending. */
export async function resum(files: Files, file: string, ending = '.changes'): Promise<void> {
  const name = path.basename(file);
  for (const [program, length] of [
    ['md5sum', 32],
    ['sha1sum', 40],
    ['sha256sum', 64],
  ] as const) {
    const { stdout } = await runChecked([program, file]);
    const size = (await readFile(file)).length;
    const line = new RegExp(`^ [0-9a-f]{${String(length)}} [0-9]+ (.*${name.replaceAll('.', '\\.')})$`, 'm');
    await edit(files, ending, (text) =>
      text.replace(line, ` ${stdout.toString().slice(0, length)} ${String(size)} $1`),
    );
  }
}

/** Adds a file, and a line for it to each of the lists of the .changes (or of what has that ending). */
export async function listFile(
  files: Files,
  name: string,
  content: string | Buffer,
  ending = '.changes',
): Promise<void> {
  const bytes = Buffer.from(content as string);
  const file = path.join(path.dirname(files.get(nameOf(files, ending))!), name);
  await writeFile(file, bytes);
  files.set(name, file);
  const columns = ending === '.changes' ? 'misc optional ' : '';
  for (const [field, algorithm, more] of [
    ['Files', 'md5', columns],
    ['Checksums-Sha1', 'sha1', ''],
    ['Checksums-Sha256', 'sha256', ''],
  ] as const) {
    const sum = createHash(algorithm).update(bytes).digest('hex');
    const line = ` ${sum} ${String(bytes.length)} ${more}${name}`;
    await edit(files, ending, (text) => text.replace(`\n${field}:\n`, `\n${field}:\n${line}\n`));
  }
}

/** Puts other content of the same size into a file. */
export async function flipByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 0xff;
  await writeFile(file, bytes);
}

export interface UploadRecord {
  id: string;
  status: string;
  settled: boolean;
  mails: { recipient: string; subject: string; body: string }[];
}

/** Everything that is on record of a login's uploads. */
export async function recordsOf(garage: Garage, login: string): Promise<UploadRecord[]> {
  const { rows } = await garage.pool.query<UploadRecord>(
    `select u.id, u.status, u.settled_at is not null as settled,
            (select coalesce(json_agg(json_build_object(
                      'recipient', m.recipient, 'subject', m.subject, 'body', m.body)), '[]')
               from mails m where m.subject_key = u.id::text) as mails
       from uploads u join accounts a on a.id = u.account_id where a.login = $1`,
    [login],
  );
  return rows;
}
