/** The words and patterns that cross service borders. */
import { z } from 'zod';

/** apt's suite/codename within a queue: a distribution release such as `bookworm`. */
export const productName = z
  .string()
  .regex(/^[a-z][a-z0-9.+-]{0,63}$/, 'a product is named like a release: lower-case letters, digits, . + -');
/** A stage of trust, an apt repository of its own: `devel`, `testing`, `stable`. */
export const queueName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a queue is named with lower-case letters, digits and -');
/** A local mirror of another archive; also a folder's name and a part of a URL. */
export const mirrorName = z
  .string()
  .regex(/^[a-z][a-z0-9.+-]{0,63}$/, 'a mirror is named like a release: lower-case letters, digits, . + -');
/** An account's login. */
export const loginName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a login starts with a letter and holds lower-case letters, digits and -');
/** A Debian architecture as in dpkg-architecture(1): `amd64`, `i386`, or `all` for a build of arch:all. */
export const architectureName = z.string().regex(/^[a-z0-9-]{2,32}$/, 'an architecture such as amd64');
/** What a host has and a build may require beside an architecture: `big-memory`, `kvm`. */
export const featureName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]{0,63}$/, 'a feature such as big-memory: lower-case letters, digits, + . -');
/** Policy 5.6.1. */
export const sourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]{1,127}$/, 'a source package name (Policy 5.6.1)');

export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);
/** A bare file name; the same rule as `isSafeFileName`. */
export const fileName = z
  .string()
  .max(200)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.~+-]*$/);

/** A file that is passed on, with what its receiver checks. */
export const fileEntry = z.strictObject({
  name: fileName,
  size: z.number().int().nonnegative(),
  sha256: sha256Hex,
});
export type FileEntry = z.infer<typeof fileEntry>;

/** The installation's name as part of file, stanza and package names: `My Builds` becomes `my-builds`. */
export function archiveSlug(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') || 'autobuilder'
  );
}

/** The package that brings clients the archive's keys; its keyring is `/usr/share/keyrings/<package>.gpg`. */
export function keyringPackageName(archive: string): string {
  return `${archiveSlug(archive)}-archive-keyring`;
}

/** Where the package puts the keys: what `Signed-By` names. */
export function keyringPath(archive: string): string {
  return `/usr/share/keyrings/${keyringPackageName(archive)}.gpg`;
}
