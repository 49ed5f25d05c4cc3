/**
 * What the signing process does when it is asked: says what keys there are, signs a Release, changes keys.
 * It signs nothing but a Release, with keys that are active, so many in a minute, and writes each into the
 * audit log before the signature leaves.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import {
  assembleRelease,
  signRelease,
  type ReleaseSignature,
} from '../../../shared/openpgp/release-signature.ts';
import { readAudit, writeAudit } from './audit.ts';
import { gpgSignRelease } from './gpg.ts';
import type { KeyRecord, KeyStates } from './key-states.ts';
import { publicKeyring } from './keyring.ts';
import type { Gives, KeyringView, KeyView, OperationName, Takes } from './protocol.ts';
import { RateLimit } from './rate.ts';
import { consequences, isExpired, isPublished, requireChange, signingKeys } from './states.ts';
import type { KeyVault } from './vault.ts';

/** A product publishes at most once a second (its Date), and there are some tens of products and queues. */
const MAX_SIGNED_PER_MINUTE = 1_200;
const MINUTE_MS = 60_000;

export class Signing {
  readonly #vault: KeyVault;
  readonly #rate: RateLimit;

  #published: { states: KeyStates; keyring: Awaited<ReturnType<typeof publicKeyring>> } | null = null;

  constructor(vault: KeyVault, signedPerMinute = MAX_SIGNED_PER_MINUTE) {
    this.#vault = vault;
    this.#rate = new RateLimit(signedPerMinute, MINUTE_MS);
  }

  /** Carries out one operation for `requester`; `value` was checked against the operation's schema. */
  async handle<Name extends OperationName>(
    operation: Name,
    value: Takes<Name>,
    requester: string,
  ): Promise<Gives<Name>> {
    await this.#vault.refresh();
    const work: { [Each in OperationName]: (each: Takes<Each>) => Promise<Gives<Each>> } = {
      keys: () => this.#keys(),
      sign: (release) => this.#sign(release, requester),
      create: () => this.#create(requester),
      change: (change) => this.#change(change, requester),
      audit: ({ limit }) => readAudit(this.#vault.settings.folder, limit),
    };
    return work[operation](value);
  }

  async #keys(): Promise<KeyringView> {
    const { keys, keyring } = this.#vault.states;
    const now = this.#vault.now();
    const published = await this.#publicKeyring();
    return {
      keys: await Promise.all(keys.map((key) => this.#view(key, now))),
      signing: signingKeys(keys, now).map((key) => key.fingerprint),
      publicArmored: published.armored,
      publicBase64: Buffer.from(published.binary).toString('base64'),
      version: `${keyring.date}.${String(keyring.serial)}`,
    };
  }

  /** Worked out once for each state of the keys: it is asked for in every sweep. */
  async #publicKeyring(): Promise<Awaited<ReturnType<typeof publicKeyring>>> {
    const { states } = this.#vault;
    if (this.#published?.states !== states) {
      this.#published = { states, keyring: await publicKeyring(states.keys) };
    }
    return this.#published.keyring;
  }

  async #view(record: KeyRecord, now: Date): Promise<KeyView> {
    const key: Partial<KeyRecord> & Omit<KeyRecord, 'file'> = { ...record };
    delete key.file;
    if (!isPublished(key)) return { ...key, problem: null };
    if (isExpired(key, now)) return { ...key, problem: expired(key).message };
    return { ...key, problem: await this.#unusable(key.fingerprint) };
  }

  /** Why a key cannot be used, found out by unlocking it; null when it can. */
  async #unusable(fingerprint: string): Promise<string | null> {
    try {
      const record = this.#record(fingerprint);
      if (record.backend === 'gpg') this.#vault.gpgKey(fingerprint);
      else await this.#vault.unlocked(record);
      return this.#vault.problemOf(fingerprint);
    } catch (error) {
      if (error instanceof AppError) return error.message;
      throw error;
    }
  }

  #record(fingerprint: string): KeyRecord {
    const found = this.#vault.states.keys.find((key) => key.fingerprint === fingerprint);
    if (found) return found;
    throw new AppError('key-unknown', `There is no key ${fingerprint}`, {
      hint: 'autobuilder key list shows them',
    });
  }

  async #sign(release: Takes<'sign'>, requester: string): Promise<Gives<'sign'>> {
    requireRelease(release);
    const now = this.#vault.now();
    if (!this.#rate.take(now.getTime())) {
      throw new AppError('signing-too-often', 'Too much was signed within a minute', {
        hint: 'It goes on by itself after a minute. If nothing published that much, look at: autobuilder key audit',
      });
    }
    const signatures: ReleaseSignature[] = [];
    for (const fingerprint of release.keys) {
      signatures.push(await this.#signBy(this.#record(fingerprint), release.text, now));
    }
    const signed = await assembleRelease(release.text, signatures);
    const { queue, product, generation, keys } = release;
    const sha256 = createHash('sha256').update(release.text).digest('hex');
    await this.#audit('release', requester, { queue, product, generation, sha256, keys });
    return signed;
  }

  async #signBy(key: KeyRecord, text: string, now: Date): Promise<ReleaseSignature> {
    if (key.state !== 'active') {
      throw new AppError('signing-key-not-active', `Key ${key.fingerprint} is ${key.state}`, {
        hint: 'The keys changed meanwhile; the next try takes those that are active now.',
      });
    }
    if (isExpired(key, now)) throw expired(key);
    if (key.backend === 'gpg') return gpgSignRelease(text, this.#vault.gpgKey(key.fingerprint));
    return signRelease(text, await this.#vault.unlocked(key), now);
  }

  async #create(requester: string): Promise<Gives<'create'>> {
    const { fingerprint } = await this.#vault.create();
    await this.#audit('key-created', requester, { key: fingerprint });
    return { fingerprint, warnings: [] };
  }

  async #change(change: Takes<'change'>, requester: string): Promise<Gives<'change'>> {
    const { lifetimeDays, packageName } = this.#vault.settings;
    const record = this.#find(change.key);
    const { fingerprint } = record;
    if (change.to === 'extended') {
      const end = this.#vault.extensionOf(record, change.days ?? lifetimeDays, change.force);
      if (!change.dryRun) await this.#vault.extend(record, end);
    } else {
      const { to } = change;
      this.#require(record, to, change.force);
      if (!change.dryRun) await this.#move(fingerprint, to, change.force);
    }
    const warnings =
      change.to === 'extended' ? [] : consequences(this.#vault.states.keys, record, change.to, packageName);
    if (!change.dryRun) {
      await this.#audit(`key-${change.to}`, requester, { key: fingerprint, force: change.force });
    }
    return { fingerprint, warnings };
  }

  #require(record: KeyRecord, to: 'announced' | 'active' | 'retired', force: boolean): void {
    const { rotation } = this.#vault.settings;
    requireChange(this.#vault.states.keys, record, to, { rotation, now: this.#vault.now(), force });
  }

  async #move(fingerprint: string, to: 'announced' | 'active' | 'retired', force: boolean): Promise<void> {
    await this.#vault.change((states) => {
      this.#require(this.#record(fingerprint), to, force); // another process may have changed it since
      const at = this.#vault.now().toISOString();
      const times = { announced: 'announcedAt', active: 'activatedAt', retired: 'retiredAt' } as const;
      const keys = states.keys.map((key) =>
        key.fingerprint === fingerprint ? { ...key, state: to, [times[to]]: at } : key,
      );
      return { ...states, keys };
    });
  }

  /** The one key whose fingerprint ends so. Throws `key-unknown` and `key-ambiguous`. */
  #find(end: string): KeyRecord {
    const [found, another] = this.#vault.states.keys.filter((key) => key.fingerprint.endsWith(end));
    if (found && !another) return found;
    throw new AppError(
      found ? 'key-ambiguous' : 'key-unknown',
      found ? `Several keys end in ${end}` : `No key's fingerprint ends in ${end}`,
      { hint: 'autobuilder key list shows them' },
    );
  }

  async #audit(what: string, requester: string, facts: Record<string, unknown>): Promise<void> {
    await writeAudit(this.#vault.settings.folder, this.#vault.now(), { what, requester, ...facts });
  }
}

function expired(key: Pick<KeyRecord, 'fingerprint' | 'expiresAt'>): AppError {
  return new AppError(
    'signing-key-expired',
    `Archive key ${key.fingerprint} ended at ${key.expiresAt ?? ''}`,
    {
      hint: `Extend it: autobuilder key extend ${key.fingerprint.slice(-16)}. Clients take the extended key from the keyring.`,
    },
  );
}

/** A signer that signs any text is worth more to a thief than one that signs nothing but a Release. */
function requireRelease({ text, queue, product }: Takes<'sign'>): void {
  const isParagraph = /^[A-Z][A-Za-z0-9-]*: /.test(text) && text.endsWith('\n') && !text.includes('\n\n');
  const fields = ['Origin', 'Codename', 'Date', 'SHA256'].every((field) =>
    new RegExp(`^${field}:`, 'm').test(text),
  );
  if (isParagraph && fields) return;
  throw new AppError('signing-not-a-release', `The text is not the Release of ${queue}/${product}`);
}
