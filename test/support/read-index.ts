import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';

/** The text of a .gz index; empty while it is not there. */
export async function readIndex(file: string): Promise<string> {
  const content = await readFile(file).catch(() => null);
  return content === null ? '' : gunzipSync(content).toString('utf8');
}
