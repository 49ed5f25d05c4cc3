/**
 * The cleartext signature framework's outer form (RFC 9580, 7), read strictly.
 *
 * Tools disagree about text before and after the signed part, about blank-looking lines and about lines
 * that should be dash-escaped; each of these has let unsigned text pass as signed somewhere. Nothing of
 * the kind is taken here.
 */
import { AppError } from '../errors/app-error.ts';

/** Larger than any .changes, .dsc or InRelease. */
export const CLEARSIGNED_MAX_BYTES = 8 * 1024 * 1024;

const BEGIN_MESSAGE = '-----BEGIN PGP SIGNED MESSAGE-----';
const BEGIN_SIGNATURE = '-----BEGIN PGP SIGNATURE-----';
const END_SIGNATURE = '-----END PGP SIGNATURE-----';

export interface Clearsigned {
  /**
   * What is signed: without dash-escapes and blanks at line ends (a signature does not cover these),
   * lines ended by `\n`.
   */
  text: string;
  /** The whole message in its one accepted form, with `\n` line ends. */
  armored: string;
}

function invalid(message: string): AppError {
  return new AppError('signature-invalid', message);
}

function trimLineEnd(line: string): string {
  let end = line.length;
  while (line[end - 1] === ' ' || line[end - 1] === '\t') end -= 1;
  return line.slice(0, end);
}

/** The lines of a text with LF or CRLF ends; a CR elsewhere is refused, as some tools end a line there. */
function linesOf(text: string): string[] {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  if (lines.some((line) => line.includes('\r'))) throw invalid('A carriage return stands within a line');
  if (text.includes('\0')) throw invalid('The text holds a NUL');
  return lines;
}

/** Where the header block ends: the index of its empty line. */
function endOfHeaders(lines: string[]): number {
  let index = 1;
  while (index < lines.length && lines[index] !== '') {
    if (!/^Hash: [A-Za-z0-9, -]+$/.test(lines[index] ?? '')) {
      throw invalid(`Line ${index + 1} is neither a Hash header nor the empty line after the headers`);
    }
    index += 1;
  }
  return index;
}

function unescape(line: string, index: number): string {
  if (!line.startsWith('-')) return trimLineEnd(line);
  if (!line.startsWith('- ')) throw invalid(`Line ${index + 1} is not dash-escaped`);
  return trimLineEnd(line.slice(2));
}

/** True for text that claims to be signed: some line begins a signed message. */
function claimsSignature(lines: string[]): boolean {
  return lines.some((line) => line.startsWith(BEGIN_MESSAGE));
}

/**
 * Splits a clearsigned text; checks its form only, not its signature.
 *
 * Throws `signature-missing` when no signed message begins in it, and `signature-invalid` when something
 * stands before or after the signed message or its form is broken.
 */
export function readClearsigned(text: string): Clearsigned {
  if (text.length > CLEARSIGNED_MAX_BYTES) throw invalid('The text is too large to be a signed control file');
  const lines = linesOf(text);
  if (!claimsSignature(lines)) throw new AppError('signature-missing', 'There is no OpenPGP signature');
  if (lines[0] !== BEGIN_MESSAGE) throw invalid('There is text before the signed message');
  const bodyStart = endOfHeaders(lines) + 1;
  const bodyEnd = lines.indexOf(BEGIN_SIGNATURE, bodyStart);
  const end = lines.indexOf(END_SIGNATURE, bodyEnd);
  if (bodyEnd === -1 || end === -1) throw invalid('The signed message has no end');
  if (lines.slice(end + 1).some((line) => line !== '')) throw invalid('There is text after the signature');
  if (lines.slice(bodyEnd + 1, end).some((line) => line.startsWith('-'))) {
    throw invalid('There is another part within the signature');
  }
  const body = lines.slice(bodyStart, bodyEnd).map((line, index) => unescape(line, bodyStart + index));
  return { text: `${body.join('\n')}\n`, armored: `${lines.slice(0, end + 1).join('\n')}\n` };
}
