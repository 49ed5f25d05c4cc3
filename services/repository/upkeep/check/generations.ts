/** Generation folders, the link to the newest and the state of its indexes, against the database. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { readKeyring, type KeyringKey } from '../../../../shared/openpgp/keyring.ts';
import { currentNumber, generationFolder, isWritten } from '../../generations/tree.ts';
import { readChunk, readState, textFileSize, type IndexEntry } from '../../indexes/state.ts';
import { PUBLIC_KEY_NAMES } from '../../signing/publish-key.ts';
import { newestNumber } from './facts.ts';
import { report, type Look } from './look.ts';
import { checkRelease } from './release.ts';

/** Subjects of findings about a generation. */
export function generationSubject(number: number): string {
  return `generation ${String(number)}`;
}
export const STATE_SUBJECT = 'index state';

export async function checkGenerations(look: Look): Promise<void> {
  const newest = newestNumber(look.facts);
  const keys = await publishedKeys(look);
  for (const { number, status, isKept } of look.facts.generations) {
    if (status === 'preparing') {
      report(look, 'generation-unfinished', generationSubject(number), 'It was begun and never staged');
    } else if (isKept || number === newest) {
      await checkGeneration(look, number, number === newest ? keys : null);
    }
  }
  await checkUnknown(look, newest);
  if (newest === null) return;
  const current = await currentNumber(look.places);
  if (current !== newest) {
    const shown = current === null ? 'nothing' : generationSubject(current);
    report(look, 'current-link-wrong', 'dists', `It shows ${shown}, the newest is ${String(newest)}`);
  }
  await checkState(look, newest);
}

async function checkGeneration(look: Look, number: number, keys: KeyringKey[] | null): Promise<void> {
  const subject = generationSubject(number);
  if (!(await isWritten(look.places, number))) {
    return report(look, 'generation-missing', subject, 'Its folder is not there, or has no InRelease');
  }
  const isRead = look.isRead(subject);
  const [first, ...more] = await checkRelease(generationFolder(look.places, number), {
    ...{ sums: look.sums, isRead, ...(keys ? { keys } : {}) },
  });
  if (first === undefined) return;
  const detail = more.length === 0 ? first : `${first}, and ${String(more.length)} more`;
  const isNewest = number === newestNumber(look.facts);
  report(look, isNewest ? 'generation-damaged' : 'snapshot-damaged', subject, detail);
}

/** Those that clients know; without them the next start publishes them again. */
async function publishedKeys(look: Look): Promise<KeyringKey[] | null> {
  const name = PUBLIC_KEY_NAMES.find((each) => each.endsWith('.gpg')) ?? '';
  const content = await readFile(path.join(look.places.root, name)).catch(() => null);
  return content && readKeyring(content, name).catch(() => null);
}

async function checkUnknown(look: Look, newest: number | null): Promise<void> {
  const known = new Set(look.facts.generations.map((each) => each.number));
  for (const name of await readdir(look.places.generations).catch(() => [])) {
    const number = Number(name);
    if (!Number.isInteger(number) || known.has(number)) continue;
    const detail = `The database knows nothing of it; the newest it knows is ${String(newest ?? 'none')}`;
    report(look, 'generation-unknown', generationSubject(number), detail);
  }
}

/** A cache: without it everything is made anew, but what it holds is believed. */
async function checkState(look: Look, newest: number): Promise<void> {
  const state = await readState(look.places.states, newest);
  if (state === null) return;
  const folder = path.join(look.places.states, String(newest));
  for (const entry of state.indexes) {
    const found = await stat(path.join(folder, entry.textFile)).catch(() => null);
    if ((found?.size ?? 0) < textFileSize(entry)) {
      return report(look, 'index-state-damaged', STATE_SUBJECT, `The text of ${entry.path} is too short`);
    }
    if (look.isRead(STATE_SUBJECT) && !(await isTextIntact(folder, entry))) {
      return report(look, 'index-state-damaged', STATE_SUBJECT, `The text of ${entry.path} is another one`);
    }
  }
}

async function isTextIntact(folder: string, entry: IndexEntry): Promise<boolean> {
  const hash = createHash('sha256');
  for (const chunk of entry.chunks) {
    const text = await readChunk(folder, entry, chunk).catch(() => null);
    if (text === null) return false;
    hash.update(text);
  }
  return hash.digest('hex') === entry.plain.sha256;
}
