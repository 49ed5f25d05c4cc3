/** What a mirror is asked to be; rows of `mirrors` hold it. */
import path from 'node:path';
import { z } from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { CLOSED_PATH } from '../../../shared/debian/archive-path.ts';
import { architectureName, mirrorName } from '../../../shared/protocol/names.ts';
import { cronExpression } from '../../../shared/config/fields.ts';

/** A glob over names: `*` and `?`. */
const glob = z
  .string()
  .regex(/^[A-Za-z0-9*?][A-Za-z0-9*?+._/-]{0,199}$/, 'a pattern of letters, digits, + - . _ / * and ?');
const word = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9+._/-]{0,99}$/, 'a word of letters, digits, + - . _ and /');
const absolutePath = z.string().startsWith('/', 'must be an absolute path');

/** More of one kind are a mistake. */
const MAX_WORDS = 1_000;
const list = <T extends z.ZodType>(each: T) => z.array(each).max(MAX_WORDS).default([]);

/** Which packages; empty lists mean all. What is given must hold together. */
const filterShape = z.strictObject({
  packages: list(glob),
  sections: list(word),
  priorities: list(word),
  /** Beside all that: what a base needs is `required` packages and some by name. */
  also: list(glob),
  /** And what they depend on, out of the same archive. */
  withDependencies: z.boolean().default(false),
});
export type MirrorFilter = z.infer<typeof filterShape>;

/** Column `settings`. */
export const mirrorSettings = z.strictObject({
  /** Empty: all that Release names. */
  components: list(word),
  /** Empty: all that Release names. */
  architectures: list(architectureName),
  sources: z.boolean().default(false),
  udebs: z.boolean().default(false),
  /** Languages of descriptions. */
  translations: z.array(word).max(MAX_WORDS).default(['en']),
  /** Further indexes that Release lists; globs over their paths without an ending. Whole mirrors only. */
  indexes: list(glob),
  filter: filterShape.prefault({}),
  /** Default: `repository.mirrors.schedule`. */
  schedule: cronExpression.optional(),
  /** Bytes a second; default: `repository.mirrors.bytesPerSecond`. */
  bytesPerSecond: z.number().int().positive().optional(),
  /** A netrc-like file with login and password, read at each update. */
  authFile: absolutePath.optional(),
  /** CAs to trust for https beside the system's. */
  caFile: absolutePath.optional(),
});
export type MirrorSettings = z.infer<typeof mirrorSettings>;

/** A key that may sign the archive. */
export const mirrorKey = z.strictObject({ fingerprint: z.string(), armored: z.string(), userId: z.string() });

export interface MirrorDefinition {
  name: string;
  /** Without a slash at its end. */
  url: string;
  suites: string[];
  settings: MirrorSettings;
  keys: z.infer<typeof mirrorKey>[];
}

/**
 * True when single packages are chosen, so that the indexes are ours and signed by us. A whole mirror has the
 * archive's own indexes and signatures.
 */
export function isFiltered({ settings: { filter } }: Pick<MirrorDefinition, 'settings'>): boolean {
  return filter.packages.length + filter.sections.length + filter.priorities.length + filter.also.length > 0;
}

/** The address without a slash at its end. Throws `mirror-url-invalid`. */
export function mirrorUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:', 'file:'].includes(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new AppError('mirror-url-invalid', `'${text}' is no address of an archive`, {
      hint: 'Give what stands in sources.list: http://..., https://... or file:///...',
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new AppError('mirror-url-invalid', 'The address holds a login or password', {
      hint: 'Write them into a file as for apt_auth.conf(5) and give it with --auth.',
    });
  }
  return url.href.replace(/\/+$/, '');
}

/** Suites as sources.list has them, `bookworm` or `buster/updates`. Throws `mirror-suite-invalid`. */
export function mirrorSuites(suites: readonly string[]): string[] {
  for (const suite of suites) {
    if (CLOSED_PATH.test(suite) && !suite.split('/').some((part) => part.includes('%'))) continue;
    const isFlat = suite.endsWith('/');
    throw new AppError('mirror-suite-invalid', `'${suite}' is no suite that can be mirrored`, {
      hint: isFlat
        ? 'Archives without dists/ are imported instead: autobuilder import directory.'
        : 'Give names as after the address in sources.list.',
    });
  }
  return [...new Set(suites)];
}

/** Where a mirror lies: `<mirrors>/<name>`. Throws `mirror-name-invalid`. */
export function mirrorFolder(mirrors: string, name: string): string {
  const parsed = mirrorName.safeParse(name);
  if (parsed.success) return path.join(mirrors, parsed.data);
  throw new AppError('mirror-name-invalid', `'${name}' is no name of a mirror`, {
    hint: parsed.error.issues[0]?.message ?? '',
  });
}
