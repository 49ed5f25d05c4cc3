/** Folders of packages for the contenders: what is imported, what is added afterwards. */
import { link, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { arFile, makeTar, sum, xzFiles } from './deb.ts';
import { controlText, installedPaths, packageName, packageVersion } from './names.ts';

/** Members that one xz packs: some megabytes of memory. */
const BATCH = 500;

export interface MadePackage {
  name: string;
  version: string;
  file: string;
}

/** Writes packages `from`..`from + count - 1` into `folder`. */
export async function makePackages(folder: string, from: number, count: number): Promise<MadePackage[]> {
  await mkdir(folder, { recursive: true });
  const made: MadePackage[] = [];
  for (let at = from; at < from + count; at += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, from + count - at) }, (_, index) => at + index);
    made.push(...(await writeBatch(folder, numbers)));
  }
  return made;
}

async function writeBatch(folder: string, numbers: readonly number[]): Promise<MadePackage[]> {
  const contents = numbers.map((number) => {
    const paths = installedPaths(number);
    return paths.map((each) => ({ path: each, content: Buffer.from(`${each} of ${String(number)}\n`) }));
  });
  const controls = numbers.map((number, at) => {
    const sums = (contents[at] ?? []).map((file) => `${sum('md5', file.content)}  ${file.path}\n`);
    const files = [
      { path: 'control', content: Buffer.from(controlText(number)) },
      { path: 'md5sums', content: Buffer.from(sums.join('')) },
    ];
    return makeTar(files);
  });
  const packed = await xzFiles([...controls, ...contents.map((files) => makeTar(files))]);
  return Promise.all(
    numbers.map(async (number, at) => {
      const [name, version] = [packageName(number), packageVersion(number)];
      const file = path.join(folder, `${name}_${version}_amd64.deb`);
      const deb = arFile([
        { name: 'debian-binary', content: Buffer.from('2.0\n') },
        { name: 'control.tar.xz', content: packed[at] as Buffer },
        { name: 'data.tar.xz', content: packed[at + numbers.length] as Buffer },
      ]);
      await writeFile(file, deb);
      return { name, version, file };
    }),
  );
}

/** The same files in another folder, as hard links: tools that scan folders see nothing else. */
export async function linkInto(folder: string, packages: readonly MadePackage[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { file } of packages) await link(file, path.join(folder, path.basename(file)));
}
