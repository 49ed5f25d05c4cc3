/**
 * What the repository and its signer say to each other: one JSON line a request, one JSON line its answer,
 * over a socket that nobody else can reach. Both ends check what they are told.
 */
import { z } from 'zod';

/** The Release file of the largest archives has some hundred kilobytes. */
export const MAX_RELEASE_BYTES = 4 * 1024 * 1024;
/** A Release file in JSON with its escapes, and what goes around it. */
export const MAX_LINE_BYTES = 2 * MAX_RELEASE_BYTES;
/** More than a rotation ever needs at once. */
export const MAX_KEYS = 16;
/** Lines of the audit log in one answer. */
export const MAX_AUDIT_LINES = 1_000;

export const fingerprint = z.string().regex(/^[0-9A-F]{40}$/);
const time = z.iso.datetime().nullable();

export const KEY_STATES = ['new', 'announced', 'active', 'retired'] as const;
/** `new`: made, nobody knows it. `announced`: in the keyring, not signing. `active`: signs. `retired`: neither. */
export type KeyState = (typeof KEY_STATES)[number];

export const keyView = z.strictObject({
  fingerprint,
  userId: z.string(),
  state: z.enum(KEY_STATES),
  /** `file`: encrypted beside the others; `gpg`: gpg and its agent hold it. */
  backend: z.enum(['file', 'gpg']),
  createdAt: z.iso.datetime(),
  announcedAt: time,
  activatedAt: time,
  retiredAt: time,
  /** null: never. */
  expiresAt: time,
  /** Why it cannot sign, for people; null when it can. */
  problem: z.string().nullable(),
  publicArmored: z.string(),
});
export type KeyView = z.infer<typeof keyView>;

export const keyringView = z.strictObject({
  keys: z.array(keyView).max(MAX_KEYS * 16),
  /** Fingerprints of the keys that sign now, oldest first. */
  signing: z.array(fingerprint),
  /** Announced and active keys together, one armored block; and the same bytes, base64. */
  publicArmored: z.string(),
  publicBase64: z.base64(),
  /** Rises with each change of the public keyring: `20260131.4`. */
  version: z.string().regex(/^\d{8}\.\d+$/),
});
export type KeyringView = z.infer<typeof keyringView>;

export const releaseToSign = z.strictObject({
  text: z.string().min(1).max(MAX_RELEASE_BYTES),
  /** With which keys: those that the generation was planned with. */
  keys: z.array(fingerprint).min(1).max(MAX_KEYS),
  /** For the audit log: whose Release it is. */
  queue: z.string().max(200),
  product: z.string().max(200),
  generation: z.number().int().nonnegative(),
});
export type ReleaseToSign = z.infer<typeof releaseToSign>;

export const signedRelease = z.strictObject({ inRelease: z.string(), detached: z.string() });
export type SignedRelease = z.infer<typeof signedRelease>;

export const keyChange = z.strictObject({
  /** Full, or its last digits (8 at least). */
  key: z.string().regex(/^[0-9A-F]{8,40}$/),
  to: z.enum(['announced', 'active', 'retired', 'extended']),
  /** Before its time; of `extended`: to an earlier end. */
  force: z.boolean(),
  /** Only says what it would do. */
  dryRun: z.boolean(),
  /** For `extended`: from now. */
  days: z.number().int().positive().max(36_500).optional(),
});
export type KeyChange = z.infer<typeof keyChange>;

export const keyChanged = z.strictObject({
  fingerprint,
  /** What follows from it, for people. */
  warnings: z.array(z.string()),
});
export type KeyChanged = z.infer<typeof keyChanged>;

export const auditEntry = z.looseObject({ time: z.iso.datetime(), what: z.string(), requester: z.string() });
export type AuditEntry = z.infer<typeof auditEntry>;

/** Each operation with what it takes and gives. */
export const OPERATIONS = {
  keys: { takes: z.strictObject({}), gives: keyringView },
  sign: { takes: releaseToSign, gives: signedRelease },
  create: { takes: z.strictObject({}), gives: keyChanged },
  change: { takes: keyChange, gives: keyChanged },
  audit: {
    takes: z.strictObject({ limit: z.number().int().min(1).max(MAX_AUDIT_LINES) }),
    gives: z.array(auditEntry),
  },
} as const;
export type OperationName = keyof typeof OPERATIONS;
export type Takes<Name extends OperationName> = z.infer<(typeof OPERATIONS)[Name]['takes']>;
export type Gives<Name extends OperationName> = z.infer<(typeof OPERATIONS)[Name]['gives']>;

export const OPERATION_NAMES = Object.keys(OPERATIONS) as [OperationName, ...OperationName[]];

export const request = z.strictObject({
  id: z.number().int().nonnegative(),
  operation: z.enum(OPERATION_NAMES),
  /** Who asks, for the audit log: service or command, and its process. */
  requester: z.string().max(200),
  value: z.unknown(),
});

export const answer = z.union([
  z.strictObject({ id: z.number().int(), value: z.unknown() }),
  z.strictObject({
    id: z.number().int(),
    error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
  }),
]);
