/**
 * Where refused sets go: `quarantine/<id>/` with everything they had and a REASON file. The row is
 * decided first; the folder follows, at the next sweep if need be.
 */
import { lstat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { wake } from '../../../shared/database/listen.ts';
import type { AppError } from '../../../shared/errors/app-error.ts';
import { renameDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { quarantineFolder } from '../places.ts';
import type { SetPlace } from './folder.ts';
import { nextStepOf } from './next-step.ts';
import { decideSet, type SetRecord } from './set-rows.ts';

/** Times the same id may be refused and handed over again before a person must look. */
const MAX_SAME_ID = 1_000;

/** Refuses a set for good: row, then folder. */
export async function quarantine(
  repository: Repository,
  place: SetPlace,
  record: SetRecord,
  error: AppError,
): Promise<void> {
  const reason = oneLine(error.message);
  const decision = { status: 'quarantined', code: error.code, reason } as const;
  if (await decideSet(repository.pool, record.id, decision)) {
    await wake(repository.pool, GARAGE_CHANNEL);
    repository.metrics.sets.inc({ queue: place.queue, result: 'quarantined' });
    const { queue, product, id } = place;
    repository.log.warn({ queue, product, set: id, code: error.code }, reason);
  }
  await repository.step('set-quarantined');
  await moveToQuarantine(repository, place, { id: record.id, code: error.code, reason });
}

/** Moves the folder of a set whose row says `quarantined`. */
export async function moveToQuarantine(
  repository: Repository,
  place: SetPlace,
  refused: { id: string; code: string; reason: string },
): Promise<void> {
  const parent = quarantineFolder(repository.home);
  await mkdir(parent, { recursive: true });
  const target = await freeName(path.join(parent, refused.id));
  const text = `${refused.reason}\n\n${nextStepOf(refused.code)}\n\nCode: ${refused.code}\nQueue: ${place.queue}\nProduct: ${place.product}\nSet: ${place.id}\n`;
  if ((await lstat(place.folder)).isDirectory()) {
    await writeFileDurably(path.join(place.folder, 'REASON'), text);
    await renameDurably(place.folder, target);
    return;
  }
  // Not a folder at all: it is kept inside one.
  await writeFileDurably(path.join(target, 'REASON'), text);
  await renameDurably(place.folder, path.join(target, 'set'));
}

/** What packages say of themselves is quoted in reasons: no line end or escape sequence of theirs goes further. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}

async function freeName(wanted: string): Promise<string> {
  for (let number = 1; number < MAX_SAME_ID; number += 1) {
    const name = number === 1 ? wanted : `${wanted}.${String(number)}`;
    if ((await lstat(name).catch(() => null)) === null) return name;
  }
  throw new Error(`${wanted} was refused too often`);
}
