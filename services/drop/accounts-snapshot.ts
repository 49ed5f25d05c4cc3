/**
 * Who may log in: the file that garage writes, read again whenever it changed. Only the newest good
 * content counts; while the file is missing or wrong nobody gets in, since yesterday's list could let
 * in an account that was disabled today.
 */
import { timingSafeEqual } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { hasErrno, messageOf } from '../../shared/errors/app-error.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { accountsSnapshot } from '../../shared/protocol/accounts-snapshot.ts';

/** About 100,000 accounts with some keys each; a larger file is a mistake. */
const MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024;
/** Stands in for the keys of a login that does not exist, so that both ways do the same work. */
const NO_KEY = Buffer.alloc(51);

/** The snapshot at one moment. */
export interface Accounts {
  /** ISO 8601, when garage wrote it. */
  writtenAt: string;
  products: readonly string[];
  logins: number;
  has(login: string): boolean;
  /** True when `key` (the wire form of a public key) is one of the login's. */
  mayUse(login: string, key: Buffer): boolean;
}

export interface AccountsReader {
  /** The accounts now, or null (and a log line, once for each state of the file) when they cannot be known. */
  current(): Promise<Accounts | null>;
}

/** Reads `file` at the first call and whenever its inode, time or size changed. */
export function createAccountsReader(file: string, log: Logger): AccountsReader {
  let known: { state: string; accounts: Accounts | null } | undefined;
  let reading: Promise<Accounts | null> | undefined;

  const read = async (): Promise<Accounts | null> => {
    let state = 'unreadable';
    let handle: FileHandle | undefined;
    try {
      handle = await open(file, 'r');
      const { ino, size, mtimeNs } = await handle.stat({ bigint: true });
      state = [ino, size, mtimeNs].join(' ');
      if (known?.state === state) return known.accounts;
      if (size > MAX_SNAPSHOT_BYTES) throw new Error(`it is larger than ${String(MAX_SNAPSHOT_BYTES)} bytes`);
      known = { state, accounts: parseAccounts(await handle.readFile('utf8')) };
      log.info({ file, logins: known.accounts?.logins }, 'accounts snapshot read');
    } catch (error) {
      if (known?.state !== state) {
        const facts = { file, reason: messageOf(error) };
        // At a first start garage has not written it yet.
        if (hasErrno(error, 'ENOENT') && !known)
          log.warn(facts, 'no accounts snapshot yet, nobody can log in');
        else log.error(facts, 'accounts snapshot unusable, nobody can log in');
      }
      known = { state, accounts: null };
    } finally {
      await handle?.close();
    }
    return known.accounts;
  };

  return {
    current: () => {
      // One read serves all who ask meanwhile: a flood of logins is one file read.
      reading ??= read().finally(() => {
        reading = undefined;
      });
      return reading;
    },
  };
}

/** Parses a snapshot; throws what is wrong with it. */
export function parseAccounts(text: string): Accounts {
  const snapshot = accountsSnapshot.parse(JSON.parse(text));
  const keys = new Map(
    snapshot.accounts.map((account) => [account.login, account.sshKeys.flatMap(wireForm)]),
  );
  return {
    writtenAt: snapshot.writtenAt,
    products: snapshot.products,
    logins: keys.size,
    has: (login) => keys.has(login),
    mayUse: (login, key) => {
      const own = keys.get(login) ?? [NO_KEY];
      // Every key is compared, whether an earlier one matched or not.
      return own.map((one) => sameBytes(one, key)).includes(true) && keys.has(login);
    },
  };
}

/** The key of an OpenSSH public key line (type, base64, comment); none for a line that is something else. */
function wireForm(line: string): Buffer[] {
  const [type, base64] = line.trim().split(/\s+/);
  const wire = Buffer.from(base64 ?? '', 'base64');
  return type && nameInside(wire) === type ? [wire] : [];
}

/** RFC 4253 6.6: the wire form starts with the type as a string. */
function nameInside(wire: Buffer): string | undefined {
  if (wire.length < 4) return undefined;
  return wire.subarray(4, 4 + wire.readUInt32BE(0)).toString('latin1');
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
