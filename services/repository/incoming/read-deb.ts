/** Reads a binary package's control file from disk. */
import { open } from 'node:fs/promises';
import {
  CONTROL_TAR_MAX_BYTES,
  extractControl,
  readDebControl,
  type DebControl,
} from '../../../shared/debian/deb.ts';
import { runChecked } from '../../../shared/process/run.ts';

/** A control tar unpacks in milliseconds; a bomb is cut by the output limit. */
const XZ_TIMEOUT_MS = 30_000;
/** Enough for xz -9, which needs 65 MiB to unpack. */
const XZ_MEMORY = '128MiB';

/** What the .deb or .udeb says of itself; throws `deb-invalid`. */
export async function readDeb(file: string, size: number): Promise<DebControl> {
  const handle = await open(file, 'r');
  try {
    const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await handle.read(buffer, 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const member = await readDebControl(readAt, size);
    return await extractControl(member.name, await readAt(member.offset, member.size), unxzControl);
  } finally {
    await handle.close();
  }
}

/** For `extractControl`. */
export async function unxzControl(bytes: Uint8Array): Promise<Uint8Array> {
  const { stdout } = await runChecked(['xz', '--decompress', '--stdout', `--memlimit=${XZ_MEMORY}`], {
    ...{ input: bytes, timeoutMs: XZ_TIMEOUT_MS, maxOutputBytes: CONTROL_TAR_MAX_BYTES },
  });
  return stdout;
}
