/**
 * A suite's Release file, as its archive signs it. Taken only when a pinned key signed it, when it is of the suite
 * that was asked for, when its time is not over, and when it is not older than what was taken before.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import { readRelease, type ReadRelease } from '../../../shared/debian/read-release.ts';
import {
  CLOCK_SKEW_MS,
  verifyClearsigned,
  type PublicKeyRecord,
} from '../../../shared/openpgp/clearsigned.ts';
import { verifyDetached } from '../../../shared/openpgp/detached.ts';
import { fetchSmall, type Fetching } from './fetch/download.ts';
import type { SeenReleases } from './rows.ts';

/** Debian's largest has 250 kB. */
const MAX_RELEASE_BYTES = 8 * 1024 * 1024;
const MAX_SIGNATURE_BYTES = 1024 * 1024;

export interface MirrorRelease {
  suite: string;
  release: ReadRelease;
  /** Of the text that is signed. */
  sha256: string;
  /** What the archive has, byte by byte, by name: InRelease, or Release and Release.gpg, or all three. */
  files: Map<string, Buffer>;
}

export interface ReleaseChecks {
  keys: readonly PublicKeyRecord[];
  /** What was taken before. */
  seen: SeenReleases;
  now: Date;
}

/**
 * Fetches and checks one suite's. Throws `mirror-file-missing`, `mirror-changed` (in between; worth another try),
 * `mirror-signature`, `mirror-expired`, `mirror-replayed`, `mirror-other-suite` and what `readRelease` throws.
 */
export async function fetchRelease(
  fetching: Fetching,
  suite: string,
  checks: ReleaseChecks,
): Promise<MirrorRelease> {
  const { text, files } = await fetchSigned(fetching, suite, checks);
  const release = readRelease(text);
  requireSuite(release, suite);
  requireTime(release, suite, checks);
  return { suite, release, files, sha256: createHash('sha256').update(text).digest('hex') };
}

type Signed = Pick<MirrorRelease, 'files'> & { text: string };

async function fetchSigned(fetching: Fetching, suite: string, checks: ReleaseChecks): Promise<Signed> {
  const at = (name: string): string => `dists/${suite}/${name}`;
  const inRelease = await fetchSmall(fetching, at('InRelease'), MAX_RELEASE_BYTES);
  const release = await fetchSmall(fetching, at('Release'), MAX_RELEASE_BYTES);
  const signature = release ? await fetchSmall(fetching, at('Release.gpg'), MAX_SIGNATURE_BYTES) : null;
  const detached = release && signature ? { release, signature } : null;
  if (detached)
    await verified(suite, () =>
      verifyDetached(detached.release, detached.signature, checks.keys, checks.now),
    );
  if (inRelease === null && detached === null) {
    throw release === null ? noRelease(suite) : unsigned(suite);
  }
  const files = new Map<string, Buffer>();
  if (detached) files.set('Release', detached.release).set('Release.gpg', detached.signature);
  if (inRelease === null) return { files, text: detached?.release.toString('utf8') ?? '' };
  const { content } = await verified(suite, () =>
    verifyClearsigned(inRelease.toString('utf8'), checks.keys, checks.now),
  );
  files.set('InRelease', inRelease);
  // A cleartext signature does not cover blanks at line ends.
  const isSame = detached === null || trimmed(detached.release.toString('utf8')) === trimmed(content);
  if (isSame) return { files, text: content };
  throw new AppError('mirror-changed', `InRelease and Release of '${suite}' are not the same`);
}

function noRelease(suite: string): AppError {
  return new AppError(
    'mirror-file-missing',
    `The archive has no dists/${suite}/InRelease and no Release there`,
    {
      hint: `Has it the suite '${suite}', and is its address as in sources.list, with neither dists/ nor suite?`,
    },
  );
}

function unsigned(suite: string): AppError {
  return new AppError('mirror-file-missing', `The Release of '${suite}' is not signed`, {
    hint: 'Only signed archives are mirrored; autobuilder import directory takes packages from others.',
  });
}

function trimmed(text: string): string {
  return text.replaceAll(/[ \t]+$/gm, '').trimEnd();
}

/** Names the suite; says which code the signature's own error has. */
async function verified<T>(suite: string, verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('mirror-signature', `The Release of '${suite}' is not taken: ${error.message}`, {
      hint: 'If the archive has a new key, give its keyring: autobuilder mirror set NAME --keyring FILE',
      detail: { code: error.code },
      cause: error,
    });
  }
}

/** What is signed for another suite must not stand for this one (as apt holds it). */
function requireSuite({ fields }: ReadRelease, suite: string): void {
  const own = [fields.get('Suite'), fields.get('Codename')].filter(
    (name) => name !== undefined && name !== '',
  );
  const wanted = [suite, suite.replace(/\/.*$/, '')];
  if (own.length === 0 || own.some((name) => wanted.includes(name ?? ''))) return;
  throw new AppError(
    'mirror-other-suite',
    `The Release of '${suite}' says that it is of '${own.join("', '")}'`,
    { hint: 'Name the suite as its Release names it.' },
  );
}

function requireTime(release: ReadRelease, suite: string, { seen, now }: ReleaseChecks): void {
  const { date, validUntil } = release;
  if (date.getTime() > now.getTime() + CLOCK_SKEW_MS) {
    throw new AppError(
      'mirror-from-future',
      `The Release of '${suite}' is of ${date.toISOString()}, which is to come`,
      {
        hint: 'Is the clock of this machine right?',
      },
    );
  }
  if (validUntil !== null && validUntil.getTime() <= now.getTime()) {
    throw new AppError(
      'mirror-expired',
      `The Release of '${suite}' was valid until ${validUntil.toISOString()}`,
      {
        hint: 'The archive is not kept up any more, or somebody shows an old state of it.',
      },
    );
  }
  const before = seen[suite];
  if (before === undefined || new Date(before.date).getTime() <= date.getTime()) return;
  throw new AppError(
    'mirror-replayed',
    `The Release of '${suite}' is of ${date.toISOString()}, older than ${before.date}, which was taken before`,
    { hint: 'A mirror that lags behind, or somebody who shows an old state; tried again later.' },
  );
}
