/**
 * SFTP version 3 (draft-ietf-secsh-filexfer-02) over the spool: files are written whole, by CLOSE, and never
 * read back. Own files that nobody has taken can be listed, looked at, removed and renamed.
 */
import ssh2, { type Attributes } from 'ssh2';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { AccountsReader } from '../accounts-snapshot.ts';
import type { FileInfo, Place, Spool } from '../spool/spool.ts';
import { absoluteVirtual, resolveVirtual, virtualName, type VirtualPath } from '../spool/virtual-path.ts';
import { fileAttributes, folderAttributes, listingEntry } from './attributes.ts';
import { Handles } from './handles.ts';
import { notAllowed } from './status.ts';

const { OPEN_MODE } = ssh2.utils.sftp;
/** Files of this session remembered after CLOSE; clients look at the last one or two. */
const MAX_DELIVERED = 64;

export interface SftpContext {
  login: string;
  accounts: AccountsReader;
  spool: Spool;
  log: Logger;
}

/** The operations of one session; each throws an `AppError` for what it refuses. */
export class SftpSession {
  readonly #context: SftpContext;
  readonly #handles = new Handles();
  /**
   * What this session delivered, by virtual path: clients stat or chmod a file after closing it, and the
   * one that completes a set may have been taken by then.
   */
  readonly #delivered = new Map<string, FileInfo>();

  constructor(context: SftpContext) {
    this.#context = context;
  }

  async open(requested: string, flags: number): Promise<Buffer> {
    if (!(flags & OPEN_MODE.WRITE)) throw notAllowed('Files cannot be read back');
    if (flags & OPEN_MODE.APPEND) throw notAllowed('Broken uploads cannot be resumed; upload the whole file');
    if (!(flags & OPEN_MODE.CREAT)) throw notAllowed('Files cannot be changed; upload the whole file again');
    const at = await this.#resolve(requested);
    if (at.kind !== 'file') throw notAllowed('That is a folder');
    this.#handles.assertRoom();
    const mustBeNew = (flags & OPEN_MODE.EXCL) !== 0;
    const file = await this.#context.spool.open(this.#place(at.product), at.name, { mustBeNew });
    const opened = new Date();
    const attrs = (): Attributes => fileAttributes({ size: file.size, modified: opened });
    return this.#handles.add({ kind: 'file', file, product: at.product, attrs });
  }

  async write(handle: Buffer, offset: number, data: Buffer): Promise<void> {
    await this.#handles.file(handle).file.write(data, offset);
  }

  async close(handle: Buffer): Promise<void> {
    const thing = this.#handles.take(handle);
    if (thing.kind !== 'file') return;
    const { file, product } = thing;
    await file.commit();
    this.#remember(product, { name: file.name, size: file.size, modified: new Date() });
    this.#context.log.info({ product, file: file.name, size: file.size }, 'file complete');
  }

  attributesOfHandle(handle: Buffer): Attributes {
    return this.#handles.get(handle).attrs();
  }

  /** chmod and utimes are the server's business: accepted and ignored. A size cuts the file. */
  async setHandleAttributes(handle: Buffer, attrs: Attributes): Promise<void> {
    const { file } = this.#handles.file(handle);
    if (typeof attrs.size === 'number') await file.truncate(attrs.size);
  }

  async setAttributes(requested: string, attrs: Attributes): Promise<void> {
    const at = await this.#resolve(requested);
    if (at.kind !== 'file') throw notAllowed('Folders cannot be changed');
    if (typeof attrs.size === 'number')
      throw notAllowed('Files cannot be changed; upload the whole file again');
    await this.#fileInfo(at.product, at.name);
  }

  async attributes(requested: string): Promise<Attributes> {
    const at = await this.#resolve(requested);
    return at.kind === 'file'
      ? fileAttributes(await this.#fileInfo(at.product, at.name))
      : folderAttributes();
  }

  async openFolder(requested: string): Promise<Buffer> {
    const at = await this.#resolve(requested);
    if (at.kind === 'file') throw new AppError('file-missing', `'${at.name}' is not a folder`);
    this.#handles.assertRoom();
    const own = ['.', '..'].map((name) => listingEntry(name, folderAttributes()));
    const inside =
      at.kind === 'root'
        ? (await this.#products()).map((product) => listingEntry(product, folderAttributes()))
        : (await this.#context.spool.list(this.#place(at.product))).map((file) =>
            listingEntry(file.name, fileAttributes(file)),
          );
    return this.#handles.add({ kind: 'folder', entries: [...own, ...inside], attrs: folderAttributes });
  }

  /** The next entries of a folder, at most `count`; empty at its end. */
  readFolder(handle: Buffer, count: number): ReturnType<typeof listingEntry>[] {
    const thing = this.#handles.get(handle);
    if (thing.kind !== 'folder') throw notAllowed('That is a file');
    return thing.entries.splice(0, count);
  }

  async remove(requested: string): Promise<void> {
    const at = await this.#resolve(requested);
    if (at.kind !== 'file') throw notAllowed('Folders cannot be removed');
    await this.#context.spool.remove(this.#place(at.product), at.name);
    this.#delivered.delete(virtualName(at));
    this.#context.log.info({ product: at.product, file: at.name }, 'file removed');
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [await this.#resolve(from), await this.#resolve(to)];
    if (source.kind !== 'file' || target.kind !== 'file' || source.product !== target.product) {
      throw notAllowed('Files can be renamed within their folder only');
    }
    await this.#context.spool.rename(this.#place(source.product), source.name, target.name);
    const known = this.#delivered.get(virtualName(source));
    this.#delivered.delete(virtualName(source));
    if (known) this.#remember(target.product, { ...known, name: target.name });
    this.#context.log.info({ product: target.product, file: target.name, from: source.name }, 'file renamed');
  }

  /** The absolute form; the path need not exist, since clients ask before they write. */
  absolute(requested: string): string {
    return absoluteVirtual(requested);
  }

  /** Gives up what was not closed; for a connection that ended. */
  async abandon(): Promise<void> {
    const broken = await this.#handles.abortAll();
    if (broken > 0) this.#context.log.warn({ files: broken }, 'connection ended in the middle of an upload');
  }

  /** Throws `login-ended` when the account is gone since, or cannot be looked up. */
  async #products(): Promise<readonly string[]> {
    const accounts = await this.#context.accounts.current();
    if (!accounts?.has(this.#context.login)) {
      throw new AppError('login-ended', 'Your account may not upload any more');
    }
    return accounts.products;
  }

  async #resolve(requested: string): Promise<VirtualPath> {
    return resolveVirtual(requested, await this.#products());
  }

  #place(product: string): Place {
    return { product, login: this.#context.login };
  }

  async #fileInfo(product: string, name: string): Promise<FileInfo> {
    const info = await this.#context.spool.stat(this.#place(product), name);
    const found = info ?? this.#delivered.get(virtualName({ kind: 'file', product, name }));
    if (!found) throw new AppError('file-missing', `There is no file '${name}'`);
    return found;
  }

  #remember(product: string, info: FileInfo): void {
    this.#delivered.set(virtualName({ kind: 'file', product, name: info.name }), info);
    const [oldest] = this.#delivered.keys();
    if (this.#delivered.size > MAX_DELIVERED && oldest !== undefined) this.#delivered.delete(oldest);
  }
}
