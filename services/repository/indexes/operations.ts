/** What is to be done with the bytes of an index's files when some chunks go and others come. */
import path from 'node:path';
import type { PackedChunks, PlainChunk } from './chunks/chunked-index.ts';
import { FORMS, type FormName } from './forms/form.ts';
import type { ChunkPlace, IndexEntry } from './state.ts';
import type { FileSums, Operation, Range, StitchJob } from './stitch/run-job.ts';
import { tailOf } from './write.ts';

/** An index as it was, and where it lies. */
export interface Before {
  entry: IndexEntry;
  generation: string;
  stateFolder: string;
}

/** A chunk that stays, or one that comes. */
export type ChangedChunk = ChunkPlace | PlainChunk;

export function isPlace(chunk: ChangedChunk): chunk is ChunkPlace {
  return 'at' in chunk;
}

type Job = Pick<StitchJob, 'source' | 'operations' | 'expected'>;

/** The text, which lies in the text's file in any order. */
export function textJob({ entry, stateFolder }: Before, after: readonly ChangedChunk[]): Job {
  const operations = operationsOf(entry.chunks, after, textRange, (chunk) => chunk.text);
  return { source: path.join(stateFolder, entry.textFile), operations, expected: entry.plain.sha256 };
}

function textRange({ at, text }: ChunkPlace): Range {
  return { from: at, length: text };
}

/** A published form; `places` are the chunks of the new one. */
export function formJob(
  form: FormName,
  { entry, generation }: Before,
  {
    after,
    packed,
    places,
  }: {
    after: readonly ChangedChunk[];
    packed: PackedChunks;
    places: readonly ChunkPlace[];
  },
): Job {
  const { header, lengthOf, ending } = FORMS[form];
  let end = header().length;
  const ranges = new Map<ChunkPlace, Range>();
  for (const place of entry.chunks) {
    const length = lengthOf(place.packed[form] ?? 0);
    ranges.set(place, { from: end, length });
    end += length;
  }
  const { size, sha256 } = entry.forms[form] as FileSums;
  const operations: Operation[] = [
    { keep: { from: 0, length: header().length } },
    ...operationsOf(
      entry.chunks,
      after,
      (place) => ranges.get(place) as Range,
      (chunk) => packed.bytes(chunk, form),
    ),
    { drop: { from: end, length: size - end } },
    { put: tailOf(form, places) },
  ];
  return { source: path.join(generation, entry.path + ending), operations, expected: sha256 };
}

/** What to do with the old content, in order; ranges that follow each other become one. */
function operationsOf(
  before: readonly ChunkPlace[],
  after: readonly ChangedChunk[],
  rangeOf: (place: ChunkPlace) => Range,
  bytesOf: (chunk: PlainChunk) => Uint8Array,
): Operation[] {
  const operations: Operation[] = [];
  let next = 0;
  const take = (kind: 'keep' | 'drop', place: ChunkPlace): void => {
    const range = rangeOf(place);
    const last = operations.at(-1);
    const own = last && kind in last ? (last as Record<typeof kind, Range>)[kind] : undefined;
    if (own && own.from + own.length === range.from) own.length += range.length;
    else operations.push(kind === 'keep' ? { keep: { ...range } } : { drop: { ...range } });
    next += 1;
  };
  for (const chunk of after) {
    if (!isPlace(chunk)) {
      operations.push({ put: bytesOf(chunk) });
      continue;
    }
    while (next < before.length && before[next] !== chunk) take('drop', before[next] as ChunkPlace);
    take('keep', chunk);
  }
  while (next < before.length) take('drop', before[next] as ChunkPlace);
  return operations;
}
