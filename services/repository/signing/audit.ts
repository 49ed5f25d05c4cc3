/**
 * The audit log: one JSON line for each thing that was signed or changed, written and made durable before
 * the signature leaves. A file a month (`keys/audit.2026-01.jsonl`); the signer only ever appends and never
 * removes one, which is the admin's to do.
 */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { auditEntry, type AuditEntry } from './protocol.ts';

const NAME = /^audit\.\d{4}-\d{2}\.jsonl$/;
/** Looked at from a file's end; a line has some 400 bytes. */
const TAIL_BYTES = 1024 * 1024;

/** Appends one entry. Throws when the disk refuses it: then nothing is signed. */
export async function writeAudit(folder: string, now: Date, entry: Omit<AuditEntry, 'time'>): Promise<void> {
  const file = path.join(folder, `audit.${now.toISOString().slice(0, 7)}.jsonl`);
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const handle = await open(file, flags, 0o600);
  try {
    // In one write, so that two signers' lines never mix.
    await handle.write(Buffer.from(`${JSON.stringify({ time: now.toISOString(), ...entry })}\n`));
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** The newest entries, newest first; lines that a power cut left half written are left out. */
export async function readAudit(folder: string, limit: number): Promise<AuditEntry[]> {
  const files = (await readdir(folder)).filter((name) => NAME.test(name)).toSorted();
  const found: AuditEntry[] = [];
  for (const name of files.toReversed()) {
    const lines = (await readTail(path.join(folder, name))).split('\n').toReversed();
    for (const line of lines) {
      if (found.length >= limit) return found;
      const parsed = auditEntry.safeParse(parseLine(line));
      if (parsed.success) found.push(parsed.data);
    }
  }
  return found;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

async function readTail(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await handle.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8');
  } finally {
    await handle.close();
  }
}
