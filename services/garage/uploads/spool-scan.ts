/** What lies in `incoming/<product>/<login>/`; nothing is opened, followed or changed here. */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { loginName } from '../../../shared/protocol/names.ts';
import { PARTIAL } from '../../../shared/protocol/spool.ts';
import type { Garage } from '../context.ts';

/** Entries of one folder that one round looks at; the rest is seen once these are gone. */
const MAX_ENTRIES_PER_FOLDER = 20_000;

export interface SpoolEntry {
  name: string;
  /** Bytes. */
  size: number;
  /** When it was last changed or renamed: the uploader cannot choose this one, as it can mtime. */
  changedAtMs: number;
  isFile: boolean;
}

export interface SpoolFolder {
  product: string;
  login: string;
  path: string;
  /** Whole files by name; `.partial` and hidden ones are left out. */
  entries: Map<string, SpoolEntry>;
  /** When anything last arrived or grew, partial files too; 0 for an empty folder. */
  newestMs: number;
}

export interface Spool {
  folders: SpoolFolder[];
  /** What is not a configured product's folder or not a login's folder, as sentences for the admin. */
  oddities: string[];
}

/** Reads the whole spool, folders sorted. A folder that vanishes meanwhile is not there. */
export async function scanSpool(garage: Garage, isLogin: (login: string) => boolean): Promise<Spool> {
  const { incoming } = garage.home;
  const spool: Spool = { folders: [], oddities: [] };
  const products = new Set(garage.common.products.map((product) => product.name));
  for (const product of await folderNames(incoming)) {
    const inProduct = path.join(incoming, product.name);
    if (!product.isDirectory || !products.has(product.name)) {
      spool.oddities.push(`${inProduct} is not the folder of a configured product; it is left alone`);
      continue;
    }
    for (const login of await folderNames(inProduct)) {
      const at = path.join(inProduct, login.name);
      const isKnown = loginName.safeParse(login.name).success && isLogin(login.name);
      if (login.isDirectory && isKnown) {
        spool.folders.push(await scanFolder(product.name, login.name, at));
      } else {
        spool.oddities.push(`${at} is not the folder of an account; it is left alone`);
      }
    }
  }
  return spool;
}

async function folderNames(folder: string): Promise<{ name: string; isDirectory: boolean }[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const visible = entries.filter((entry) => !entry.name.startsWith('.'));
    return visible
      .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function scanFolder(product: string, login: string, at: string): Promise<SpoolFolder> {
  const folder: SpoolFolder = { product, login, path: at, entries: new Map(), newestMs: 0 };
  const names = (await folderNames(at)).slice(0, MAX_ENTRIES_PER_FOLDER);
  for (const { name } of names) {
    const stats = await lstat(path.join(at, name)).catch(() => null);
    if (!stats) continue;
    folder.newestMs = Math.max(folder.newestMs, stats.ctimeMs);
    if (name.endsWith(PARTIAL)) continue;
    const entry = { name, size: stats.size, changedAtMs: stats.ctimeMs, isFile: stats.isFile() };
    folder.entries.set(name, entry);
  }
  return folder;
}
