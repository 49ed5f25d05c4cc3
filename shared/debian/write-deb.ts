/** Writes a small binary package, deb(5), held in memory: the same content gives the same bytes. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

export interface PackedFile {
  /** Relative, without `./`: `usr/share/keyrings/x.gpg`. */
  path: string;
  content: string | Uint8Array;
  /** Default 0644. */
  mode?: number;
}

/** A gzipped tar of root's files at one time; folders on the way are made when `folders` says so. */
export async function packTar(
  files: readonly PackedFile[],
  options: { prefix: string; time: Date; folders: boolean },
): Promise<Buffer> {
  const tar = pack();
  const owner = { uid: 0, gid: 0, uname: 'root', gname: 'root', mtime: options.time };
  const made = new Set<string>();
  if (options.folders) tar.entry({ name: options.prefix, type: 'directory', mode: 0o755, ...owner });
  for (const file of files) {
    for (const folder of options.folders ? foldersOf(file.path) : []) {
      if (made.has(folder)) continue;
      made.add(folder);
      tar.entry({ name: `${options.prefix}${folder}/`, type: 'directory', mode: 0o755, ...owner });
    }
    const content = Buffer.from(file.content as Uint8Array);
    tar.entry({ name: `${options.prefix}${file.path}`, mode: file.mode ?? 0o644, ...owner }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks), { level: 9 });
}

/** `usr`, `usr/share` for `usr/share/x`. */
function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** The package: `control` is the text of its control file; md5sums is made. */
export async function writeDeb(control: string, files: readonly PackedFile[], time: Date): Promise<Buffer> {
  const sums = files.map((file) => {
    const sum = createHash('md5').update(file.content).digest('hex');
    return `${sum}  ${file.path}\n`;
  });
  const controlFiles = [
    { path: 'control', content: control },
    { path: 'md5sums', content: sums.join('') },
  ];
  const options = { prefix: './', time, folders: true };
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    arMember('debian-binary', Buffer.from('2.0\n'), time),
    arMember('control.tar.gz', await packTar(controlFiles, options), time),
    arMember('data.tar.gz', await packTar(files, options), time),
  ]);
}

/** ar(5): a header of 60 characters, the content, a line end to an even offset. */
function arMember(name: string, content: Buffer, time: Date): Buffer {
  const seconds = String(Math.floor(time.getTime() / 1000));
  const fields = [name.padEnd(16), seconds.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
  const header = `${fields.join('')}${String(content.length).padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(header), content, Buffer.from(content.length % 2 === 1 ? '\n' : '')]);
}
