import { randomBytes } from 'node:crypto';
import { readFile, writeFile, mkdir, link, rm } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import type { Home } from '../../../shared/config/home.ts';

const KEY_BYTES = 32;

/**
 * The key that seals session cookies, `$AUTOBUILDER_HOME/garage/session-key`, made at first start (0600).
 * Removing the file and restarting signs everybody out. Throws `session-key-broken` for a file that holds
 * something else.
 */
export async function sessionKey(home: Home): Promise<Buffer> {
  const file = path.join(home.garage, 'session-key');
  const present = await read(file);
  if (present) return present;
  await mkdir(home.garage, { recursive: true });
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(temporary, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { mode: 0o600, flush: true });
  try {
    // link() fails where the file is there: of two that start at once, both use the first one's key.
    await link(temporary, file);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  const made = await read(file);
  if (made) return made;
  throw new AppError('session-key-broken', `${file} vanished while it was made`);
}

async function read(file: string): Promise<Buffer | null> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  });
  if (text === null) return null;
  if (/^[0-9a-f]{64}\n?$/.test(text)) return Buffer.from(text.trim(), 'hex');
  throw new AppError('session-key-broken', `${file} does not hold a session key`, {
    hint: 'Remove it and restart: a new one is made, and everybody signs in again.',
  });
}
