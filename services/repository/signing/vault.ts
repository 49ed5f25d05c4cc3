/**
 * The archive's keys: what is known of them, and the private ones unlocked in memory. Runs in the signing
 * process (and in tests); the repository's own process never has one.
 *
 * `keys/archive-private*.asc` are private keys, encrypted; `keys/states.<n>.json` says what each is for. A key
 * from before there were states is taken over: encrypted where it was not, and active.
 */
import { createHash } from 'node:crypto';
import type { PrivateKey } from 'openpgp';
import { AppError } from '../../../shared/errors/app-error.ts';
import { extendKey } from '../../../shared/openpgp/protected-key.ts';
import { gpgPublicKey, type GpgKey } from './gpg.ts';
import {
  newestRevision,
  NO_KEYS,
  readStates,
  writeStates,
  type KeyRecord,
  type KeyStates,
} from './key-states.ts';
import { keyringVersion, publicKeyring } from './keyring.ts';
import { hasFirstKey, makeKey, openKey, recordOf, takeOverFirstKey } from './own-keys.ts';
import { requireExtension, type Rotation } from './states.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Two commands at once change one after the other; more than this is a fault. */
const MAX_TRIES = 10;
/** An admin who extended a gpg key by hand sees it published within this. */
const GPG_LOOK_MS = 60_000;
const GPG_HELD = { backend: 'gpg', file: null } as const;

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

  /** Opens the keys, whose folder is there; makes the first one when there is none. Throws what reading them throws. */
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

  /** A private key ready to sign, kept so until the keys change. Throws what {@link openKey} throws. */
  async unlocked(record: KeyRecord): Promise<PrivateKey> {
    const known = this.#unlocked.get(record.fingerprint);
    if (known) return known;
    const key = await openKey(this.settings, record, this.now());
    this.#unlocked.set(record.fingerprint, key);
    return key;
  }

  /** Throws `signing-gpg-failed` when the configuration no longer names it. */
  gpgKey(fingerprint: string): GpgKey {
    const found = this.settings.gpg.find((key) => key.fingerprint === fingerprint);
    if (found) return found;
    throw new AppError('signing-gpg-failed', `repository.keys no longer names the gpg key ${fingerprint}`, {
      hint: 'Name it again, or retire it: autobuilder key list',
    });
  }

  /** Changes the states by `edit`, which is called again when another process was faster. */
  async change(edit: (states: KeyStates) => KeyStates): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const edited = edit(structuredClone(this.#states));
      const next = { ...edited, keyring: await this.#keyringOf(edited) };
      if (await writeStates(this.settings.folder, this.#revision, next)) return this.refresh();
      await this.refresh();
    }
    throw new AppError('keys-busy', 'Others change the keys again and again');
  }

  /** Makes a key in state `new`. */
  async create(): Promise<KeyRecord> {
    const record = await makeKey(this.settings, this.now());
    await this.#add(record);
    return record;
  }

  /** When a key that is extended by `days` ends. Throws `key-extend-gpg` for one that gpg holds, and as the rules do. */
  extensionOf(record: KeyRecord, days: number, force: boolean): Date {
    if (record.backend === 'gpg') {
      throw new AppError('key-extend-gpg', `gpg holds key ${record.fingerprint}`, {
        hint: `Use: gpg --quick-set-expire ${record.fingerprint} ${String(days)}d. The new end is taken up by itself.`,
      });
    }
    const end = new Date(Math.ceil(this.now().getTime() / 1000) * 1000 + days * DAY_MS); // OpenPGP has whole seconds
    requireExtension(record, end, force);
    return end;
  }

  /** Lets a key end at `end`, see {@link extensionOf}. */
  async extend(record: KeyRecord, end: Date): Promise<void> {
    const extended = await extendKey(await this.unlocked(record), end, this.now());
    await this.#replacePublic(record.fingerprint, extended);
  }

  async #add(record: KeyRecord): Promise<void> {
    await this.change((states) => ({ ...states, keys: [...states.keys, record] }));
  }

  async #replacePublic(fingerprint: string, publicArmored: string): Promise<void> {
    const { expiresAt } = await recordOf(publicArmored, GPG_HELD);
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
    const isGpgs = this.settings.gpg.length > 0 && !(await hasFirstKey(this.settings));
    const first = isGpgs
      ? await Promise.all(this.settings.gpg.map(async (key) => recordOf(await gpgPublicKey(key), GPG_HELD)))
      : [await takeOverFirstKey(this.settings, this.now())];
    await this.change((states) =>
      // Another process may have begun meanwhile.
      states.keys.length > 0 ? states : { ...states, keys: first.map((key) => ({ ...key, ...active })) },
    );
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
    if (known) await this.#replacePublic(key.fingerprint, armored);
    else await this.#add(await recordOf(armored, GPG_HELD));
  }

  async #keyringOf(states: KeyStates): Promise<KeyStates['keyring']> {
    const { binary } = await publicKeyring(states.keys);
    const sha256 = createHash('sha256').update(binary).digest('hex');
    if (sha256 === states.keyring.sha256) return states.keyring;
    return keyringVersion(states.keyring, sha256, this.now());
  }
}
