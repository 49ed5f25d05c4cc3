/** Writes real binary packages and sources quickly: ar and tar by hand, xz for hundreds of members at once. */
import { createHash } from 'node:crypto';
import { compressBlocks, streamHeader, streamTail } from '../../services/repository/indexes/chunks/xz.ts';

const TAR_BLOCK = 512;
const MTIME_S = 1_767_225_600;

/** A tar of small regular files, as `./path` with the folders before them, like dpkg-deb's. */
export function makeTar(files: readonly { path: string; content: Buffer }[]): Buffer {
  const folders = new Set<string>(['./']);
  const pieces: Buffer[] = [tarHeader('./', 0, '5')];
  for (const { path, content } of files) {
    const parts = path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const folder = `./${parts.slice(0, depth).join('/')}/`;
      if (!folders.has(folder)) pieces.push(tarHeader(folder, 0, '5'));
      folders.add(folder);
    }
    const padding = Buffer.alloc((TAR_BLOCK - (content.length % TAR_BLOCK)) % TAR_BLOCK);
    pieces.push(tarHeader(`./${path}`, content.length, '0'), content, padding);
  }
  return Buffer.concat([...pieces, Buffer.alloc(2 * TAR_BLOCK)]);
}

/** POSIX ustar. */
function tarHeader(path: string, size: number, type: '0' | '5'): Buffer {
  const header = Buffer.alloc(TAR_BLOCK);
  header.write(path, 0, 100, 'latin1');
  header.write(octal(type === '5' ? 0o755 : 0o644, 8), 100, 'latin1');
  header.write(octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(MTIME_S, 12), 108, 'latin1');
  header.write(`        ${type}`, 148, 'latin1');
  header.write('ustar\x0000root', 257, 'latin1');
  header.write('root', 297, 'latin1');
  const checksum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

/** A .xz file of each text: blocks of one run of xz, each in a stream of its own. */
export async function xzFiles(texts: readonly Buffer[]): Promise<Buffer[]> {
  // Level 0: what it is packed with makes no difference to whoever reads a few kilobytes.
  const blocks = await compressBlocks(texts, 0);
  return blocks.map((block) => Buffer.concat([streamHeader(), block.bytes, streamTail([block])]));
}

/** The ar file of deb(5). */
export function arFile(members: readonly { name: string; content: Buffer }[]): Buffer {
  const pieces = members.flatMap(({ name, content }) => {
    const header = `${name.padEnd(16)}${String(MTIME_S).padEnd(12)}0     0     100644  ${String(content.length).padEnd(10)}\`\n`;
    return [Buffer.from(header, 'latin1'), content, Buffer.alloc(content.length % 2, '\n')];
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...pieces]);
}

/** Lower-case hexadecimal. */
export function sum(kind: 'md5' | 'sha1' | 'sha256', content: Buffer): string {
  return createHash(kind).update(content).digest('hex');
}
