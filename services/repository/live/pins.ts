/**
 * Lets one client see one generation: apt asks for InRelease first and, without by-hash, for the indexes it
 * names afterwards by names whose content changes. Over the connection that brought InRelease, indexes come
 * from that generation even when `dists/<product>` was switched meanwhile.
 */
import { existsSync, readlinkSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import path from 'node:path';

/** An update takes seconds; a connection that is older may be somebody else's by now. */
const PIN_MS = 30_000;
/** Queues with products that one connection asks for; more are simply not remembered. */
const MAX_PINS = 64;

const IN_DISTS = /^\/([a-z0-9][a-z0-9-]*)\/dists\/([a-z0-9][a-z0-9+.-]*)\/([^?#]+)$/;
const FIRST_FILES = ['InRelease', 'Release', 'Release.gpg'];

type Asked = Pick<IncomingMessage, 'headers' | 'socket'>;

interface Pin {
  /** `/devel/generations/bookworm/17` */
  folder: string;
  untilMs: number;
}

/** Gives the function that says where a request's path is to be read from. */
export function createPins(root: string): (request: Asked, url: string) => string {
  const pins = new WeakMap<Socket, Map<string, Pin>>();
  return (request, url) => {
    const [, queue, product, rest] = IN_DISTS.exec(url) ?? [];
    // A proxy's connections are everybody's.
    if (!queue || !product || !rest || request.headers['x-forwarded-for'] || request.headers.via) return url;
    const own = pins.get(request.socket) ?? new Map<string, Pin>();
    pins.set(request.socket, own);
    const name = `${queue}/${product}`;
    if (FIRST_FILES.includes(rest)) {
      const folder = rest === 'Release.gpg' ? null : currentFolder(root, queue, product);
      if (folder !== null && (own.has(name) || own.size < MAX_PINS))
        own.set(name, { folder, untilMs: Date.now() + PIN_MS });
    }
    const pin = own.get(name);
    if (!pin || pin.untilMs < Date.now() || rest.includes('..')) return url;
    const pinned = `${pin.folder}/${rest}`;
    return existsSync(path.join(root, pinned)) ? pinned : url;
  };
}

/** Where `dists/<product>` points to, or null where it is no symlink, as in a copy by rsync. */
function currentFolder(root: string, queue: string, product: string): string | null {
  try {
    const target = readlinkSync(path.join(root, queue, 'dists', product));
    const folder = path.posix.join('/', queue, 'dists', target);
    return folder.startsWith(`/${queue}/generations/`) ? folder : null;
  } catch {
    return null;
  }
}
