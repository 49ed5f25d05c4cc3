import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Home } from '../../../shared/config/home.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';

/**
 * The random id of this installation, made once and kept in `$AUTOBUILDER_HOME/garage/instance`: hosts are
 * shared with others, and leftovers are cleaned within one's own only. Only the process that dispatches asks.
 */
export async function instanceId(home: Home): Promise<string> {
  const file = path.join(home.garage, 'instance');
  const known = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (/^[a-z0-9-]{1,64}$/.test(known)) return known;
  const id = randomUUID();
  await writeFileDurably(file, `${id}\n`);
  return id;
}
