import type { Attributes, FileEntry } from 'ssh2';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { PartialFile } from '../../../shared/files/partial-file.ts';

/** Files and folders one session may have open; OpenSSH's clients open one at a time. */
const MAX_HANDLES = 32;

export type OpenThing =
  | { kind: 'file'; file: PartialFile; product: string; attrs: () => Attributes }
  | { kind: 'folder'; entries: FileEntry[]; attrs: () => Attributes };

/** What a session has open, by the opaque bytes that the client knows it by. */
export class Handles {
  readonly #open = new Map<number, OpenThing>();
  #last = 0;

  /** Throws `too-many-handles`; ask before opening a file. */
  assertRoom(): void {
    if (this.#open.size < MAX_HANDLES) return;
    throw new AppError('too-many-handles', `Only ${String(MAX_HANDLES)} files can be open at once`);
  }

  add(thing: OpenThing): Buffer {
    this.#last += 1;
    this.#open.set(this.#last, thing);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(this.#last);
    return handle;
  }

  /** Throws `handle-unknown`. */
  get(handle: Buffer): OpenThing {
    const thing = handle.length === 4 ? this.#open.get(handle.readUInt32BE()) : undefined;
    if (!thing) throw new AppError('handle-unknown', 'That file is not open');
    return thing;
  }

  /** The file of a handle; throws `handle-unknown`. */
  file(handle: Buffer): Extract<OpenThing, { kind: 'file' }> {
    const thing = this.get(handle);
    if (thing.kind !== 'file') throw new AppError('handle-unknown', 'That is a folder');
    return thing;
  }

  /** Forgets a handle and gives what it was. Throws `handle-unknown`. */
  take(handle: Buffer): OpenThing {
    const thing = this.get(handle);
    this.#open.delete(handle.readUInt32BE());
    return thing;
  }

  /** Gives up every file that was not closed: a broken upload is never whole. */
  async abortAll(): Promise<number> {
    const files = [...this.#open.values()].flatMap((thing) => (thing.kind === 'file' ? [thing.file] : []));
    this.#open.clear();
    await Promise.all(files.map((file) => file.abort()));
    return files.length;
  }
}
