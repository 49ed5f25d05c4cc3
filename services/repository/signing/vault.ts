/**
 * The archive's keys: their files, their states, and the private ones unlocked in memory. Runs in the
 * signing process (and in tests); the repository's own process never has one.
 *
 * `keys/archive-private*.asc` are private keys, encrypted; `keys/states.<n>.json` says what each is for. A key
 * from before there were states is taken over: encrypted where it was not, and active.
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { readKey, readKeys, type PrivateKey } from 'openpgp';
import { AppError } from '../../../shared/errors/app-error.ts';
import { createFileDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import { fingerprintOf } from '../../../shared/openpgp/key-state.ts';
import { generateArchiveKey } from '../../../shared/openpgp/keys.ts';
import { extendKey, isLocked, lockKey, unlockKey } from '../../../shared/openpgp/protected-key.ts';
import { gpgPublicKey, type GpgKey } from './gpg.ts';
import {
  newestRevision,
  NO_KEYS,
  readStates,
  writeStates,
  type KeyRecord,
  type KeyStates,
} from './key-states.ts';
import { readPassphrase } from './passphrase.ts';
import { keyringVersion, publicKeyring } from './keyring.ts';
import type { Rotation } from './states.ts';

const DAY_S = 24 * 3600;
/** Two commands at once change one after the other; more than this is a fault. */
const MAX_TRIES = 10;
/** An admin who extended a gpg key by hand sees it published within this. */
const GPG_LOOK_MS = 60_000;
const FIRST_FILE = 'archive-private.asc';

export interface VaultSettings {
  /** `$AUTOBUILDER_HOME/repository/keys` */
  folder: string;
  passphrase: { file: string; isMade: boolean };
  /** Whose name new keys bear. */
  owner: { name: string; email: string };
  lifetimeDays: number;
  rotation: Rotation;
  gpg: GpgKey[];
  /** Of the keyring package, for messages. */
  packageName: string;
}

export class KeyVault {
  readonly settings: VaultSettings;
  readonly now: () => Date;
  #revision = 0;
  #states: KeyStates = NO_KEYS;
  #unlocked = new Map<string, PrivateKey>();
  #problems = new Map<string, string>();
  #gpgLookedAtMs = 0;

  private constructor(settings: VaultSettings, now: () => Date) {
    this.settings = settings;
    this.now = now;
  }

  /** Opens the keys, whose folder is there; makes the first one when there is none. Throws what reading keys and passphrase throw. */
  static async open(settings: VaultSettings, now: () => Date = () => new Date()): Promise<KeyVault> {
    const vault = new KeyVault(settings, now);
    await vault.refresh();
    if (vault.#states.keys.length === 0) await vault.#begin();
    return vault;
  }

  get states(): KeyStates {
    return this.#states;
  }

  /** Why a key cannot sign, where that is known before it tries. */
  problemOf(fingerprint: string): string | null {
    return this.#problems.get(fingerprint) ?? null;
  }

  /** Takes up what another process changed. */
  async refresh(): Promise<void> {
    const newest = await newestRevision(this.settings.folder);
    if (newest !== this.#revision) {
      this.#states = await readStates(this.settings.folder, newest);
      this.#revision = newest;
      this.#unlocked.clear();
    }
    await this.#lookAtGpg();
  }

  /** A private key ready to sign. Throws `signing-key-locked`, `signing-key-invalid`, `key-passphrase-...`. */
  async unlocked(record: KeyRecord): Promise<PrivateKey> {
    const known = this.#unlocked.get(record.fingerprint);
    if (known) return known;
    const armored = await readFile(path.join(this.settings.folder, record.file ?? ''), 'utf8').catch(
      (cause: unknown) => {
        throw new AppError('signing-key-invalid', `The file of key ${record.fingerprint} cannot be read`, {
          hint: 'Put the key file back from a backup; clients trust only that key.',
          cause,
        });
      },
    );
    const locked = await unlockKey(armored, await readPassphrase(this.settings.passphrase));
    if (fingerprintOf(locked) !== record.fingerprint) {
      throw new AppError('signing-key-invalid', `${record.file ?? ''} holds another key`);
    }
    // What was signed since about its end stands in the public half alone.
    const key = await locked.update(await readKey({ armoredKey: record.publicArmored }), this.now());
    this.#unlocked.set(record.fingerprint, key);
    return key;
  }

  gpgKey(fingerprint: string): GpgKey {
    const found = this.settings.gpg.find((key) => key.fingerprint === fingerprint);
    if (found) return found;
    throw new AppError('signing-gpg-failed', `repository.keys no longer names the gpg key ${fingerprint}`, {
      hint: 'Name it again, or retire it: autobuilder key list',
    });
  }

  /** Changes the states by `edit`, which is called again when another process was faster. */
  async change(edit: (states: KeyStates) => KeyStates | Promise<KeyStates>): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const edited = await edit(structuredClone(this.#states));
      const next = { ...edited, keyring: await this.#keyringOf(edited) };
      if (await writeStates(this.settings.folder, this.#revision, next)) return this.refresh();
      await this.refresh();
    }
    throw new AppError('keys-busy', 'Others change the keys again and again');
  }

  /** Makes a key, encrypted from the first byte on the disk; `new` unless it is the very first. */
  async create(): Promise<KeyRecord> {
    const { owner, lifetimeDays, folder } = this.settings;
    const passphrase = await readPassphrase(this.settings.passphrase);
    const made = await generateArchiveKey({
      ...{ name: `${owner.name} archive`, email: owner.email, now: this.now() },
      lifetimeS: lifetimeDays * DAY_S,
    });
    const file = `archive-private-${made.fingerprint}.asc`;
    const locked = await lockKey(made.armoredPrivate, passphrase);
    await writeFileDurably(path.join(folder, file), locked, { mode: 0o600 });
    const record = await this.#recordOf(made.armoredPublic, { file, state: 'new' });
    await this.change((states) => ({ ...states, keys: [...states.keys, record] }));
    return record;
  }

  /** Lets a key end `days` from now. Throws `key-extend-gpg` for one that gpg holds. */
  async extend(record: KeyRecord, days: number): Promise<void> {
    if (record.backend === 'gpg') {
      throw new AppError('key-extend-gpg', `gpg holds key ${record.fingerprint}`, {
        hint: `Use: gpg --quick-set-expire ${record.fingerprint} ${String(days)}d. The new end is taken up by itself.`,
      });
    }
    const expiresAt = new Date(this.now().getTime() + days * DAY_S * 1000);
    const extended = await extendKey(await this.unlocked(record), expiresAt, this.now());
    await this.#replacePublic(record.fingerprint, extended);
  }

  async #replacePublic(fingerprint: string, publicArmored: string): Promise<void> {
    const { expiresAt } = await this.#recordOf(publicArmored, { file: null, state: 'new' });
    await this.change((states) => ({
      ...states,
      keys: states.keys.map((key) =>
        key.fingerprint === fingerprint ? { ...key, publicArmored, expiresAt } : key,
      ),
    }));
  }

  /** The first start: gpg's keys, the key that is there from before, or a new one. */
  async #begin(): Promise<void> {
    const at = this.now().toISOString();
    const active = { state: 'active', announcedAt: at, activatedAt: at } as const;
    const first =
      this.settings.gpg.length > 0 && !(await this.#hasFirstFile())
        ? await Promise.all(this.settings.gpg.map(async (key) => this.#recordOf(await gpgPublicKey(key), {})))
        : [await this.#takeOver()];
    await this.change((states) =>
      // Another process may have begun meanwhile.
      states.keys.length > 0 ? states : { ...states, keys: first.map((key) => ({ ...key, ...active })) },
    );
  }

  async #hasFirstFile(): Promise<boolean> {
    const file = path.join(this.settings.folder, FIRST_FILE);
    return readFile(file).then(
      () => true,
      () => false,
    );
  }

  /** `archive-private.asc`: made if missing, encrypted if it is not; the file is always whole and always a key. */
  async #takeOver(): Promise<KeyRecord> {
    const { folder, owner, lifetimeDays } = this.settings;
    const file = path.join(folder, FIRST_FILE);
    const passphrase = await readPassphrase(this.settings.passphrase);
    if (!(await this.#hasFirstFile())) {
      const made = await generateArchiveKey({
        ...{ name: `${owner.name} archive`, email: owner.email, now: this.now() },
        lifetimeS: lifetimeDays * DAY_S,
      });
      await createFileDurably(file, await lockKey(made.armoredPrivate, passphrase), { mode: 0o600 });
    }
    const armored = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new AppError('signing-key-invalid', `${file} cannot be read`, { cause });
    });
    if (!(await isLocked(armored))) {
      await writeFileDurably(file, await lockKey(armored, passphrase), { mode: 0o600 });
    }
    const key = await unlockKey(armored, passphrase);
    // Derived from the private one in former versions.
    for (const name of ['archive.asc', 'archive.gpg']) await rm(path.join(folder, name), { force: true });
    return this.#recordOf(key.toPublic().armor().replaceAll('\r\n', '\n'), { file: FIRST_FILE });
  }

  async #recordOf(armored: string, known: Partial<KeyRecord>): Promise<KeyRecord> {
    const [key] = await readKeys({ armoredKeys: armored });
    if (!key) throw new AppError('signing-key-invalid', 'There is no public key');
    const end = await key.getExpirationTime();
    return {
      ...{
        fingerprint: fingerprintOf(key),
        state: 'new',
        backend: known.file === undefined ? 'gpg' : 'file',
      },
      ...{ file: null, publicArmored: armored, userId: key.users[0]?.userID?.userID ?? '' },
      createdAt: key.getCreationTime().toISOString(),
      ...{ announcedAt: null, activatedAt: null, retiredAt: null },
      expiresAt: end instanceof Date ? end.toISOString() : null,
      ...known,
    };
  }

  /** gpg's keys that are configured and not known yet, and what changed on those that are. */
  async #lookAtGpg(): Promise<void> {
    if (this.settings.gpg.length === 0 || this.#states.keys.length === 0) return;
    if (this.now().getTime() - this.#gpgLookedAtMs < GPG_LOOK_MS) return;
    this.#gpgLookedAtMs = this.now().getTime();
    for (const key of this.settings.gpg) {
      try {
        await this.#lookAtGpgKey(key);
        this.#problems.delete(key.fingerprint);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        this.#problems.set(key.fingerprint, error.message);
      }
    }
  }

  async #lookAtGpgKey(key: GpgKey): Promise<void> {
    const armored = await gpgPublicKey(key);
    const known = this.#states.keys.find((each) => each.fingerprint === key.fingerprint);
    if (known?.publicArmored === armored) return;
    if (known) return this.#replacePublic(key.fingerprint, armored);
    const record = await this.#recordOf(armored, {});
    await this.change((states) => ({ ...states, keys: [...states.keys, record] }));
  }

  async #keyringOf(states: KeyStates): Promise<KeyStates['keyring']> {
    const { binary } = await publicKeyring(states.keys);
    const sha256 = createHash('sha256').update(binary).digest('hex');
    if (sha256 === states.keyring.sha256) return states.keyring;
    return keyringVersion(states.keyring, sha256, this.now());
  }
}
