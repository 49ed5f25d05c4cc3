/** An archive that is mirrored: real packages, real signatures, and a server that can be told to fail. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { releaseDate } from '../../shared/debian/release-file.ts';
import { generateArchiveKey, type ArchiveKey } from '../../shared/openpgp/keys.ts';
import { clearsign, detachSign } from '../../shared/openpgp/sign.ts';
import { waitFor } from './wait.ts';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';

export interface ArchivePackage {
  name: string;
  version?: string;
  architecture?: string;
  section?: string;
  priority?: string;
  depends?: string;
  provides?: string;
  /** Further lines of the description, kept in Translation-en. */
  long?: string;
  /** Bytes that do not compress, so that a download takes more than one piece. */
  bytes?: number;
}

export interface Publishing {
  suite?: string;
  /** What Release says it is, if it lies. */
  codename?: string;
  date?: Date;
  validUntil?: Date;
  byHash?: boolean;
  forms?: readonly ('xz' | 'gz' | 'zst' | 'plain')[];
  /** Which of the signed files there are. */
  signed?: 'both' | 'inline' | 'detached';
  /** Changes the text of Packages before it is summed and signed. */
  editPackages?: (text: string) => string;
  /** Further indexes by path. */
  extra?: Record<string, string | Buffer>;
}

const ARCHITECTURES = ['amd64', 'i386'] as const;

export class MirrorArchive {
  readonly root: string;
  readonly key: ArchiveKey;
  /** `<name>_<version>_<architecture>` -> its stanza. */
  readonly #stanzas = new Map<string, { architecture: string; stanza: string; file: string }>();
  #sources = '';
  #translations = '';
  #clockMs = Date.now() - 3600_000;

  private constructor(root: string, key: ArchiveKey) {
    this.root = root;
    this.key = key;
  }

  static async make(root: string): Promise<MirrorArchive> {
    await mkdir(root, { recursive: true });
    const made = new Date(Date.now() - 24 * 3600_000);
    return new MirrorArchive(root, await makeKey(made));
  }

  /** Another of the same packages and key. */
  async copy(root: string): Promise<MirrorArchive> {
    await cp(this.root, root, { recursive: true });
    const copy = new MirrorArchive(root, this.key);
    for (const [id, known] of this.#stanzas) copy.#stanzas.set(id, known);
    copy.#sources = this.#sources;
    copy.#translations = this.#translations;
    copy.#clockMs = this.#clockMs;
    return copy;
  }

  /** The key as a file for `--keyring`. */
  async keyring(file: string): Promise<string> {
    await writeFile(file, this.key.binaryPublic);
    return file;
  }

  async add(wanted: ArchivePackage): Promise<string> {
    const { name, version = '1.0', architecture = 'amd64', section = 'misc', priority = 'optional' } = wanted;
    const tree = path.join(this.root, '.tree');
    await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
    await mkdir(path.join(tree, 'usr/share/doc', name), { recursive: true });
    const content = createHash('shake256', { outputLength: wanted.bytes ?? 64 })
      .update(`${name} ${version}`)
      .digest();
    await writeFile(path.join(tree, 'usr/share/doc', name, 'content'), content);
    const control = [
      ...[`Package: ${name}`, `Version: ${version}`, `Architecture: ${architecture}`],
      ...[`Section: ${section}`, `Priority: ${priority}`, 'Maintainer: Test <test@example.org>'],
      ...(wanted.depends === undefined ? [] : [`Depends: ${wanted.depends}`]),
      ...(wanted.provides === undefined ? [] : [`Provides: ${wanted.provides}`]),
      'Description: a test',
    ];
    await writeFile(path.join(tree, 'DEBIAN/control'), `${control.join('\n')}\n`);
    const folder = `pool/main/${name[0] ?? ''}/${name}`;
    await mkdir(path.join(this.root, folder), { recursive: true });
    const file = `${folder}/${name}_${version}_${architecture}.deb`;
    const env = minimalEnvironment({ SOURCE_DATE_EPOCH: '1767225600' });
    await runChecked(
      ['dpkg-deb', '--root-owner-group', '-Znone', '--build', tree, path.join(this.root, file)],
      { env },
    );
    await rm(tree, { recursive: true });
    const bytes = await readFile(path.join(this.root, file));
    const sums = [`Filename: ${file}`, `Size: ${String(bytes.length)}`, `SHA256: ${sha256(bytes)}`];
    this.#stanzas.set(`${name}_${version}_${architecture}`, {
      ...{ architecture, file },
      stanza: `${[...control.slice(0, -1), ...sums, 'Description: a test', ...this.#describe(name, wanted.long)].join('\n')}\n`,
    });
    return file;
  }

  #describe(name: string, long: string | undefined): string[] {
    if (long === undefined) return [];
    const description = `a test\n ${long}`;
    const line = `Description-md5: ${createHash('md5').update(`${description}\n`).digest('hex')}`;
    this.#translations += `Package: ${name}\n${line}\nDescription-en: ${description}\n\n`;
    return [line];
  }

  /** A source of one file. */
  async addSource(name: string, version = '1.0'): Promise<string> {
    const folder = `pool/main/${name[0] ?? ''}/${name}`;
    await mkdir(path.join(this.root, folder), { recursive: true });
    const dsc = `${name}_${version}.dsc`;
    const text = `Format: 3.0 (native)\nSource: ${name}\nVersion: ${version}\n`;
    await writeFile(path.join(this.root, folder, dsc), text);
    const line = `${sha256(Buffer.from(text))} ${String(text.length)} ${dsc}`;
    this.#sources += `Package: ${name}\nVersion: ${version}\nSection: misc\nDirectory: ${folder}\nChecksums-Sha256:\n ${line}\n\n`;
    return `${folder}/${dsc}`;
  }

  /** Takes it out of the indexes; the file goes too. */
  async remove(id: string): Promise<void> {
    const known = this.#stanzas.get(id);
    if (!known) throw new Error(`no package ${id}`);
    this.#stanzas.delete(id);
    await rm(path.join(this.root, known.file));
  }

  /** Writes indexes and Release, each time with a later date. */
  async publish(options: Publishing = {}): Promise<void> {
    const { suite = 'stable', forms = ['xz', 'gz'] } = options;
    const dists = path.join(this.root, 'dists', suite);
    const indexes = new Map<string, Buffer>();
    for (const architecture of ARCHITECTURES) {
      const own = [...this.#stanzas.values()].filter((each) =>
        [architecture, 'all'].includes(each.architecture),
      );
      const text = own.map(({ stanza }) => `${stanza}\n`).join('');
      await this.#pack(
        indexes,
        `main/binary-${architecture}/Packages`,
        options.editPackages?.(text) ?? text,
        forms,
      );
    }
    await this.#pack(indexes, 'main/source/Sources', this.#sources, forms);
    if (this.#translations !== '')
      await this.#pack(indexes, 'main/i18n/Translation-en', this.#translations, forms);
    for (const [name, content] of Object.entries(options.extra ?? {}))
      indexes.set(name, Buffer.from(content));
    for (const [name, content] of indexes) {
      const isPlainLeftOut =
        !forms.includes('plain') && !/\.\w+$/.test(name) && options.extra?.[name] === undefined;
      if (isPlainLeftOut) continue;
      await this.#write(path.join(dists, name), content);
      if (options.byHash === false) continue;
      await this.#write(path.join(dists, path.dirname(name), 'by-hash/SHA256', sha256(content)), content);
    }
    await this.#sign(dists, this.#release(suite, indexes, options), options);
  }

  async #pack(
    indexes: Map<string, Buffer>,
    name: string,
    text: string,
    forms: NonNullable<Publishing['forms']>,
  ): Promise<void> {
    const plain = Buffer.from(text);
    indexes.set(name, plain);
    if (forms.includes('gz')) indexes.set(`${name}.gz`, gzipSync(plain));
    if (forms.includes('zst')) indexes.set(`${name}.zst`, zstdCompressSync(plain));
    if (forms.includes('xz')) {
      const { stdout } = await runChecked(['xz', '--compress', '--stdout'], { input: plain });
      indexes.set(`${name}.xz`, stdout);
    }
  }

  #release(suite: string, indexes: ReadonlyMap<string, Buffer>, options: Publishing): string {
    this.#clockMs += 1000;
    const lines = [...indexes].map(
      ([name, content]) => ` ${sha256(content)} ${String(content.length)} ${name}`,
    );
    return [
      ...['Origin: Upstream', 'Label: Upstream', 'Suite: old', `Codename: ${options.codename ?? suite}`],
      `Date: ${releaseDate(options.date ?? new Date(this.#clockMs))}`,
      ...(options.validUntil ? [`Valid-Until: ${releaseDate(options.validUntil)}`] : []),
      ...(options.byHash === false ? [] : ['Acquire-By-Hash: yes']),
      ...['Architectures: amd64 i386', 'Components: main', 'SHA256:', ...lines, ''],
    ].join('\n');
  }

  async #sign(dists: string, text: string, { signed = 'both' }: Publishing): Promise<void> {
    const now = new Date();
    const names = {
      InRelease: signed !== 'detached',
      Release: signed !== 'inline',
      'Release.gpg': signed !== 'inline',
    };
    for (const [name, isThere] of Object.entries(names))
      if (!isThere) await rm(path.join(dists, name), { force: true });
    if (signed !== 'detached') {
      await this.#write(path.join(dists, 'InRelease'), await clearsign(text, this.key.armoredPrivate, now));
    }
    if (signed === 'inline') return;
    await this.#write(path.join(dists, 'Release'), text);
    await this.#write(path.join(dists, 'Release.gpg'), await detachSign(text, this.key.armoredPrivate, now));
  }

  async #write(file: string, content: string | Buffer): Promise<void> {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  /** Signs another Release for `stable`. */
  async signText(text: string): Promise<void> {
    await this.#sign(path.join(this.root, 'dists/stable'), text, {});
  }

  /** Of a file in the archive, or in a mirror of it. */
  async sha256(file: string, root = this.root): Promise<string> {
    return sha256(await readFile(path.join(root, file)));
  }

  /** Files that its indexes name. */
  named(): string[] {
    return [...this.#stanzas.values()].map(({ file }) => file);
  }

  /** A copy of dists as it is now, to be shown again later. */
  async snapshot(name: string): Promise<() => Promise<void>> {
    const kept = path.join(this.root, `.${name}`);
    await cp(path.join(this.root, 'dists'), kept, { recursive: true });
    return async () => {
      await rm(path.join(this.root, 'dists'), { recursive: true });
      await cp(kept, path.join(this.root, 'dists'), { recursive: true });
    };
  }
}

export function makeKey(now: Date): Promise<ArchiveKey> {
  return generateArchiveKey({ name: 'Upstream', email: 'upstream@example.org', now });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What a request gets instead of the file. */
export type Fault =
  | { kind: 'status'; status: number }
  /** The head says everything; the body ends after so many bytes and the connection breaks. */
  | { kind: 'truncate'; after: number }
  /** The same size, one byte changed. */
  | { kind: 'wrong' }
  /** The connection stays, and nothing comes after so many bytes. */
  | { kind: 'stall'; after: number }
  | { kind: 'longer' }
  | { kind: 'redirect'; location: string }
  /** Ranges are not understood. */
  | { kind: 'no-range' }
  /** Runs before the answer, so that the archive can change under the client. */
  | { kind: 'before'; run: () => Promise<void> };

export interface ArchiveServer {
  url: string;
  /** Paths that were asked for, with `@N` for a range from N on. */
  requests: string[];
  /** Waits until somebody has asked for this path. */
  asked(name: string): Promise<void>;
  /** The first `times` requests of paths that end so get the fault. */
  fail(ending: string, fault: Fault, times?: number): void;
  heal(): void;
  /** Answers 401 without this Authorization. */
  requireAuthorization(value: string): void;
  close(): Promise<void>;
}

/** Serves a folder on loopback; hidden names are served too, nobody asks for them. */
export async function serveArchive(
  root: string,
  tls?: { key: string; cert: string },
): Promise<ArchiveServer> {
  const requests: string[] = [];
  let faults: { ending: string; fault: Fault; times: number }[] = [];
  let authorization: string | null = null;
  const listener: RequestListener = (request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    requests.push(name + (from === undefined ? '' : `@${from}`));
    if (authorization !== null && request.headers.authorization !== authorization) {
      response.writeHead(401).end();
      return;
    }
    const found = faults.find((each) => name.endsWith(each.ending) && each.times > 0);
    if (found) found.times -= 1;
    answer(path.join(root, path.normalize(name)), request, response, found?.fault ?? null).catch(() => {
      if (!response.headersSent) response.writeHead(404);
      response.end();
    });
  };
  const server = tls ? createSecureServer(tls, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ url: `${tls ? 'https' : 'http'}://127.0.0.1:${String(port)}`, requests },
    asked: async (name) => void (await waitFor(name, () => requests.includes(name))),
    fail: (ending, fault, times = Number.POSITIVE_INFINITY) => void faults.push({ ending, fault, times }),
    heal: () => {
      faults = [];
    },
    requireAuthorization: (value) => {
      authorization = value;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(
  file: string,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | null,
): Promise<void> {
  if (fault?.kind === 'before') await fault.run();
  if (fault?.kind === 'status') return void response.writeHead(fault.status).end();
  if (fault?.kind === 'redirect') return void response.writeHead(302, { location: fault.location }).end();
  const { size } = await stat(file);
  const content = await readFile(file);
  if (fault?.kind === 'wrong') content[content.length - 1] = (content.at(-1) ?? 0) ^ 0xff;
  if (fault?.kind === 'truncate') {
    response.writeHead(200, { 'content-length': size });
    response.write(content.subarray(0, fault.after), () => response.destroy());
    return;
  }
  if (fault?.kind === 'stall') {
    response.writeHead(200, { 'content-length': size });
    response.write(content.subarray(0, fault.after));
    return;
  }
  if (fault?.kind === 'longer') return void response.end(Buffer.concat([content, Buffer.from('more')]));
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? Number.NaN);
  if (Number.isNaN(from) || fault?.kind === 'no-range') {
    response.writeHead(200, { 'content-length': content.length });
    response.end(content);
    return;
  }
  if (from >= size) return void response.writeHead(416).end();
  response.writeHead(206, {
    'content-length': size - from,
    'content-range': `bytes ${String(from)}-${String(size - 1)}/${String(size)}`,
  });
  createReadStream(file, { start: from }).pipe(response);
}

/** Paths of all files below a folder that are not hidden, sorted; symlinks are followed. */
export async function visibleFiles(root: string, folder = ''): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(path.join(root, folder))) {
    if (name.startsWith('.')) continue;
    const relative = path.join(folder, name);
    const isFolder = (await stat(path.join(root, relative))).isDirectory();
    if (isFolder) found.push(...(await visibleFiles(root, relative)));
    else found.push(relative);
  }
  return found.toSorted();
}
