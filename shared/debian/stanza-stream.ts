/**
 * Stanzas of an index while it is being unpacked: a few fields out of each, without holding the whole. Hostile
 * indexes are cut by limits on a stanza's size and on their number.
 */
import { AppError } from '../errors/app-error.ts';

/** The largest in Debian (linux in Sources) is a tenth of this. */
export const STANZA_MAX_BYTES = 1024 * 1024;
/** Debian with all its architectures and components stays below 200,000. */
export const MAX_STANZAS = 1_000_000;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

function invalid(what: string): AppError {
  return new AppError('index-invalid', `The index ${what}`);
}

/** Takes an index's text in pieces and gives each stanza, without the empty line after it, to `onStanza`. */
export class StanzaStream {
  readonly #onStanza: (text: string) => void;
  #rest: Buffer = Buffer.alloc(0);
  #count = 0;

  constructor(onStanza: (text: string) => void) {
    this.#onStanza = onStanza;
  }

  /** Throws `index-invalid`, and what `onStanza` throws. */
  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.includes(0) || bytes.includes(CARRIAGE_RETURN)) throw invalid('holds a NUL or carriage return');
    const text = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (let end = text.indexOf('\n\n', at); end >= 0; end = text.indexOf('\n\n', at)) {
      this.#take(text.subarray(at, end + 1));
      at = end + 2;
      while (text[at] === NEWLINE) at += 1;
    }
    this.#rest = Buffer.from(text.subarray(at));
    if (this.#rest.length > STANZA_MAX_BYTES) throw invalid('has a stanza that is too large');
  }

  /** The last stanza may lack its empty line. */
  end(): void {
    this.#take(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  #take(bytes: Buffer): void {
    if (bytes.every((byte) => byte === NEWLINE)) return;
    if (bytes.length > STANZA_MAX_BYTES) throw invalid('has a stanza that is too large');
    this.#count += 1;
    if (this.#count > MAX_STANZAS) throw invalid(`has more than ${String(MAX_STANZAS)} stanzas`);
    this.#onStanza(bytes.toString('utf8').replace(/^\n+/, ''));
  }
}

/** V8 makes slices that keep the whole text alive; of a hundred thousand stanzas only the values shall stay. */
function ownText(slice: string): string {
  return Buffer.from(slice, 'utf8').toString('utf8');
}

/**
 * The values of the named fields (lower case), continued lines with their line ends. A field that comes twice
 * could be read in two ways: `index-invalid`.
 */
export function scanStanza(text: string, wanted: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  let name: string | null = null;
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    const first = text[at];
    if (first === ' ' || first === '\t') {
      if (name !== null) found.set(name, `${found.get(name) ?? ''}\n${text.slice(at, end)}`);
    } else {
      const colon = text.indexOf(':', at);
      if (colon < 0 || colon > end)
        throw invalid(`has a line that is no field: '${text.slice(at, Math.min(end, at + 80))}'`);
      const key = text.slice(at, colon).toLowerCase();
      name = wanted.has(key) ? key : null;
      if (name !== null && found.has(name)) throw invalid(`has field ${name} twice in one stanza`);
      if (name !== null) found.set(name, ownText(text.slice(colon + 1, end).trim()));
    }
    at = end + 1;
  }
  return found;
}
