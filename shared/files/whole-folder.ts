/** Folders that are written whole before anybody is pointed to them. */
import { mkdir, open, readdir, rename, rm, symlink, utimes } from 'node:fs/promises';
import path from 'node:path';
import { fsyncDirectory } from './durable.ts';

/** A new file of a folder that nobody sees yet, durable, with this time. Throws `EEXIST`. */
export async function writeDated(file: string, content: string | Uint8Array, date: Date): Promise<void> {
  const handle = await open(file, 'wx', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await utimes(file, date, date);
}

/** Makes the names below a folder durable; the files are already. */
export async function settleFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await settleFolders(path.join(folder, entry.name));
  }
  await fsyncDirectory(folder);
}

/** Points the symlink to `target` by one rename, relative to where it lies; its folder is made. */
export async function switchLink(link: string, target: string): Promise<void> {
  const directory = path.dirname(link);
  const temporary = path.join(directory, `.${path.basename(link)}.new`);
  await mkdir(directory, { recursive: true });
  await rm(temporary, { force: true });
  await symlink(path.relative(directory, target), temporary);
  await rename(temporary, link);
  await fsyncDirectory(directory);
}
