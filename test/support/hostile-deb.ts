/** Binary packages as nobody would build them: ar, tar and control data byte by byte. */
import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';

export interface TarMember {
  name: string;
  content?: string | Buffer;
  /** `0` file, `1` hard link, `2` symlink, `5` folder, `x` pax. */
  type?: string;
  link?: string;
  /** The size field as it is written. */
  size?: string;
  /** The checksum field as it is written. */
  checksum?: string;
}

const BLOCK = 512;

function tarMember({ name, content = '', type = '0', link = '', ...fields }: TarMember): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, 'latin1');
  header.write(['0000644', '0000000', '0000000', ''].join('\0'), 100, 'latin1');
  header.write(fields.size ?? `${bytes.length.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write(`        ${type}`, 148, 'latin1');
  header.write(link, 157, 100, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(fields.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return Buffer.concat([header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

/** A tar with its end. */
export function tarOf(...members: TarMember[]): Buffer {
  return Buffer.concat([...members.map(tarMember), Buffer.alloc(2 * BLOCK)]);
}

export interface ArPart {
  name: string;
  content: Buffer;
  /** The size field as it is written. */
  size?: string;
  /** False leaves the byte after an odd size away. */
  padded?: boolean;
}

export function arOf(...parts: ArPart[]): Buffer {
  const pieces = parts.map(({ name, content, size, padded = true }) => {
    const fields = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}`;
    const header = Buffer.from(`${fields}${(size ?? String(content.length)).padEnd(10)}\`\n`, 'latin1');
    return Buffer.concat([header, content, Buffer.alloc(padded ? content.length % 2 : 0, '\n')]);
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...pieces]);
}

export const FORMAT: ArPart = { name: 'debian-binary', content: Buffer.from('2.0\n') };
export const DATA: ArPart = { name: 'data.tar', content: tarOf({ name: './usr/share/x', content: 'x' }) };

/** A .deb around a control member. */
export function debWith(control: ArPart, data: ArPart = DATA): Buffer {
  return arOf(FORMAT, control, data);
}

/** A .deb with this control file. */
export function debOf(control: string | Buffer, data: ArPart = DATA): Buffer {
  return debWith({ name: 'control.tar', content: tarOf({ name: './control', content: control }) }, data);
}

/** A .deb that packs these files. */
export function debPacking(...files: TarMember[]): (control: string) => Buffer {
  return (control) => debOf(control, { name: 'data.tar', content: tarOf(...files) });
}

export const packed = {
  gz: (content: Buffer): Buffer => gzipSync(content, { level: 1 }),
  zst: (content: Buffer): Buffer => zstdCompressSync(content),
  xz: (content: Buffer): Buffer =>
    execFileSync('xz', ['-0', '--stdout'], { input: content, maxBuffer: 64 * 1024 * 1024 }),
};
