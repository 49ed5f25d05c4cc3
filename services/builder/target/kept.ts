/**
 * Targets of failed jobs that are kept for a while, so that an admin can look into them. Nothing runs in one:
 * `kept.json` in the attempt's folder says how to enter it again and until when it stays, and the folders below
 * it (base, layer) hold a mark for as long, so that nothing takes them away meanwhile.
 */
import { readFileSync } from 'node:fs';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import type { Attempt } from '../build/attempt.ts';
import type { Driver } from './driver.ts';
import { removeTree } from './userns.ts';

const kept = z.strictObject({
  /** Milliseconds since 1970 by this host's clock. */
  untilMs: z.number(),
  /** The folders below, as overlay's lowerdir takes them. */
  lower: z.string(),
});
export type Kept = z.infer<typeof kept>;

const MARK = 'kept-';

/** Is there while the attempt is kept, and until somebody looks after its time. */
export function keptFile(attempt: Pick<Attempt, 'folder'>): string {
  return path.join(attempt.folder, 'kept.json');
}

/** The folders that hold the roots of `lower`: their marks go there. */
function foldersOf(lower: string): string[] {
  return lower.split(':').map((root) => path.dirname(root));
}

/** Ends what runs in the driver's target and keeps it. False when this driver has none to keep. */
export async function keepTarget(
  attempt: Attempt,
  driver: Pick<Driver, 'keep'>,
  keepS: number,
): Promise<boolean> {
  const target = await driver.keep();
  if (target === null) return false;
  const untilMs = Date.now() + keepS * 1000;
  for (const folder of foldersOf(target.lower)) {
    await writeFile(path.join(folder, `${MARK}${attempt.id}`), String(untilMs));
  }
  await writeFileDurably(keptFile(attempt), JSON.stringify({ untilMs, lower: target.lower } satisfies Kept));
  return true;
}

/** How to enter the attempt's target; null when it is not kept, or its time is over. */
export function keptTarget(attempt: Pick<Attempt, 'folder'>): Kept | null {
  try {
    const parsed = kept.safeParse(JSON.parse(readFileSync(keptFile(attempt), 'utf8')));
    return parsed.success && parsed.data.untilMs > Date.now() ? parsed.data : null;
  } catch {
    return null;
  }
}

/** True while a kept target stands on what is in `folder`; marks that are over are removed. */
export async function isKeptBelow(folder: string): Promise<boolean> {
  let isKept = false;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(MARK)) continue;
    const untilMs = Number(await readFile(path.join(folder, name), 'utf8').catch(() => '0'));
    if (untilMs > Date.now()) isKept = true;
    else await rm(path.join(folder, name), { force: true });
  }
  return isKept;
}

/** Takes the attempt's marks away; its folder is about to go. */
export async function letGo(attempt: Pick<Attempt, 'folder' | 'id'>): Promise<void> {
  const text = await readFile(keptFile(attempt), 'utf8').catch(() => null);
  if (text === null) return;
  const parsed = kept.safeParse(JSON.parse(text));
  const folders = parsed.success ? foldersOf(parsed.data.lower) : [];
  for (const folder of folders) await rm(path.join(folder, `${MARK}${attempt.id}`), { force: true });
  await rm(keptFile(attempt), { force: true });
}

/**
 * Makes the target's folder fit to be mounted once more: the mark of a mount without syncs, which forbids that
 * after a crash, says nothing of one that ended well.
 */
export async function prepareAgain(target: string): Promise<void> {
  await removeTree(path.join(target, 'work', 'work', 'incompat'));
}
