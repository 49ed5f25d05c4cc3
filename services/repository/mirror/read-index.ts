/** Unpacks an index and gives its stanzas one by one; held to the size that Release says it unpacks to. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Writable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ReleaseEntry } from '../../../shared/debian/read-release.ts';
import { StanzaStream } from '../../../shared/debian/stanza-stream.ts';
import { runStreaming } from '../../../shared/process/stream.ts';

/** What Release says nothing about: sid's Packages of main has 70 MB. */
const MAX_PLAIN_BYTES = 1024 ** 3;
/** Enough for xz -9, which needs 65 MiB to unpack. */
const XZ_MEMORY = '128MiB';
/** The largest unpacks in seconds. */
const XZ_TIMEOUT_MS = 30 * 60_000;

/**
 * Reads the verified file of one form (by its ending). Throws `index-invalid` for what does not unpack, unpacks to
 * more or other than `plain` says, or has hostile stanzas; and what `onStanza` throws.
 */
export async function readIndexFile(
  file: string,
  ending: string,
  plain: ReleaseEntry | null,
  onStanza: (text: string) => void,
): Promise<void> {
  const stanzas = new StanzaStream(onStanza);
  const text = checkedText(plain, (chunk) => stanzas.write(chunk));
  if (ending === '.xz' || ending === '.lzma') await unxz(file, (chunk) => text.write(chunk));
  else await throughZlib(file, ending, (chunk) => text.write(chunk));
  text.end();
  stanzas.end();
}

/** Counts and sums what passes. */
function checkedText(
  plain: ReleaseEntry | null,
  onChunk: (chunk: Buffer) => void,
): { write(chunk: Buffer): void; end(): void } {
  const maxBytes = plain?.size ?? MAX_PLAIN_BYTES;
  const hash = createHash('sha256');
  let size = 0;
  return {
    write: (chunk) => {
      size += chunk.length;
      if (size > maxBytes) throw invalid(`unpacks to more than ${String(maxBytes)} bytes`);
      hash.update(chunk);
      onChunk(chunk);
    },
    end: () => {
      const isOther = plain?.sha256 !== undefined && plain.sha256 !== hash.digest('hex');
      if ((plain !== null && size !== plain.size) || isOther) {
        throw invalid('unpacks to something else than Release says');
      }
    },
  };
}

function invalid(what: string, cause?: unknown): AppError {
  return new AppError('index-invalid', `An index ${what}`, { cause });
}

async function throughZlib(file: string, ending: string, onChunk: (chunk: Buffer) => void): Promise<void> {
  const unpack: Transform[] =
    ending === '.gz' ? [createGunzip()] : ending === '.zst' ? [createZstdDecompress()] : [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      try {
        onChunk(chunk);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  try {
    await pipeline([createReadStream(file), ...unpack, sink]);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw invalid('cannot be unpacked', error);
  }
}

async function unxz(file: string, onChunk: (chunk: Buffer) => void): Promise<void> {
  const ending = new AbortController();
  let failure: unknown = null;
  const result = await runStreaming(
    ['xz', '--decompress', '--stdout', '--quiet', '--quiet', `--memlimit=${XZ_MEMORY}`, file],
    {
      signal: AbortSignal.any([ending.signal, AbortSignal.timeout(XZ_TIMEOUT_MS)]),
      onOutput: (chunk) => {
        if (failure !== null) return;
        try {
          onChunk(chunk);
        } catch (error) {
          failure = error;
          ending.abort();
        }
      },
    },
  );
  if (failure !== null) throw failure;
  if (result.code !== 0) throw invalid('cannot be unpacked by xz');
}
