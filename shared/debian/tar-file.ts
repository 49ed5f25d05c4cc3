import { extract, type Extract } from 'tar-stream';
import { AppError, messageOf } from '../errors/app-error.ts';

/** A control tar holds scripts, lists and templates: some tens of files at most. */
export const MAX_TAR_ENTRIES = 1_000;

function invalid(message: string, cause?: unknown): AppError {
  return new AppError('deb-invalid', message, { cause });
}

type Entry = Extract extends AsyncIterable<infer T> ? T : never;

async function collect(entry: Entry, maxBytes: number): Promise<Uint8Array> {
  if (entry.header.type !== 'file') throw invalid(`${entry.header.name} is not a regular file`);
  if ((entry.header.size ?? 0) > maxBytes)
    throw invalid(`${entry.header.name} is larger than ${maxBytes} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

async function findFile(tar: Uint8Array, name: string, maxBytes: number): Promise<Uint8Array> {
  const stream = extract();
  stream.end(tar);
  let found: Uint8Array | null = null;
  let entries = 0;
  for await (const entry of stream) {
    entries += 1;
    if (entries > MAX_TAR_ENTRIES) throw invalid(`There are more than ${MAX_TAR_ENTRIES} files`);
    if (entry.header.name.replace(/^\.\//, '') !== name) {
      entry.resume();
      continue;
    }
    if (found !== null) throw invalid(`There are two files ${name}`);
    found = await collect(entry, maxBytes);
  }
  if (found === null) throw invalid(`There is no file ${name}`);
  return found;
}

/**
 * One regular file at the top of a tar held in memory, `name` or `./name`. Throws `deb-invalid` when it is
 * missing, there twice, too large, or the tar is broken.
 */
export async function readTarFile(tar: Uint8Array, name: string, maxBytes: number): Promise<Uint8Array> {
  try {
    return await findFile(tar, name, maxBytes);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw invalid(`The tar cannot be read: ${messageOf(error)}`, error);
  }
}
