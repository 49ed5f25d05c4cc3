/** `bases`: which bases this host has, as one JSON array. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { BaseList } from '../../../shared/protocol/job.ts';
import { ageHours, basesFolder } from '../target/base.ts';
import { currentVersion, IN_USE } from '../target/base-versions.ts';
import { EXIT } from './exit-codes.ts';

/** `<product>-<architecture>-<digest>`; neither product nor architecture is cut at a hyphen of its own. */
const NAME = /^([a-z][a-z0-9]*(?:[.+-][a-z0-9]+)*)-([a-z0-9]+)-([0-9a-f]{12})$/;

async function describe(folder: string, name: string): Promise<BaseList> {
  const [, product, architecture, digest] = NAME.exec(name) ?? [];
  const version = await currentVersion(path.join(folder, name));
  if (version === null || product === undefined || architecture === undefined || digest === undefined)
    return [];
  const used = await stat(path.join(folder, version, IN_USE)).catch(() => null);
  const ageS = Math.round(ageHours(version) * 3600);
  const idleS = used === null ? ageS : Math.round((Date.now() - used.mtimeMs) / 1000);
  return [{ product, architecture, digest, ageS, idleS }];
}

export async function bases(workdirArgument: string): Promise<number> {
  const folder = basesFolder(path.resolve(workdirArgument));
  const names = await readdir(folder).catch(() => []);
  const list = (await Promise.all(names.map((name) => describe(folder, name)))).flat();
  process.stdout.write(`${JSON.stringify(list)}\n`);
  return EXIT.ok;
}
