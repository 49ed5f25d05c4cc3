/** The forms in which an index is offered. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { runChecked } from '../../../shared/process/run.ts';

/** Debian main's Packages is 50 MB of text and 9 MB of xz; this is far above any index of ours. */
const MAX_COMPRESSED_BYTES = 512 * 1024 * 1024;
/** xz packs some 5 MB/s on a slow core. */
const XZ_TIMEOUT_MS = 10 * 60_000;
const gzipAsync = promisify(gzip);

export interface IndexForm {
  /** Goes behind the index's name: '', '.gz', '.xz'. */
  ending: string;
  content: Buffer;
}

/** Plain, gzip and xz (one stream: apt reads only the first). */
export async function indexForms(text: string): Promise<IndexForm[]> {
  const plain = Buffer.from(text, 'utf8');
  const [gz, xz] = await Promise.all([
    gzipAsync(plain),
    runChecked(['xz', '--compress', '--stdout', '-6', '--threads=1'], {
      ...{ input: plain, timeoutMs: XZ_TIMEOUT_MS, maxOutputBytes: MAX_COMPRESSED_BYTES },
    }),
  ]);
  return [
    { ending: '', content: plain },
    { ending: '.gz', content: gz },
    { ending: '.xz', content: xz.stdout },
  ];
}
