/** Keeps the file that sshd reads in step with garage's public key: waits for it, follows its changes. */
import { chmod, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import type { Logger } from '../../../shared/log/logger.ts';

/** Reading one small file costs nothing; garage's first connection should not have to wait. */
const LOOK_EVERY_MS = 500;
const PUBLIC_KEY = /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]{40,2000}={0,2}( .*)?$/;

export interface KeyFollower {
  /** Resolves when a key is in place. */
  ready: Promise<void>;
  stop(): void;
}

/** `from` is garage's public key, `to` the AuthorizedKeysFile; its folder is made and readable by all. */
export function followAuthorizedKey(from: string, to: string, log: Logger): KeyFollower {
  let current = '';
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const { promise: ready, resolve: setReady } = Promise.withResolvers<void>();
  const look = async (): Promise<void> => {
    try {
      const key = (await readFile(from, 'utf8').catch(() => '')).trim();
      if (key !== current && PUBLIC_KEY.test(key)) {
        await writeAuthorizedKey(to, key);
        current = key;
        setReady();
      }
    } catch (error) {
      log.error({ reason: messageOf(error), file: to }, 'cannot write the authorized key; trying again');
    }
    if (!stopped) timer = setTimeout(() => void look(), LOOK_EVERY_MS);
  };
  void look();
  return {
    ready,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function writeAuthorizedKey(file: string, key: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  // sshd reads it as the builder's user, whatever this service's umask is.
  await chmod(path.dirname(file), 0o755);
  await writeFileDurably(file, `restrict ${key}\n`);
  await chmod(file, 0o644);
}
