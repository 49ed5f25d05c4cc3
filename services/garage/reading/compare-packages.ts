/** What debdiff would say of two sets of packages: which, their fields, their files; pure. */
import type { BuiltPackage, PackageFile } from './deb-contents.ts';
import type { FieldChange, PackageChange } from './types.ts';

/** Paths and fields shown of each package; counts are of all. */
const MAX_PATHS = 30;
const MAX_VALUE_CHARS = 1_000;
const MAX_PACKAGES = 200;

/** Different in each build, so their difference says nothing. */
const SILENT_FIELDS = new Set([
  'Version',
  'Source',
  'Build-Ids',
  'Installed-Size',
  'Package',
  'Architecture',
]);
/** Debug symbols by the hash of what they are for. */
const SILENT_PATH = /^\/usr\/lib\/debug\/\.(?:build-id|dwz)\//;

const key = (each: BuiltPackage): string => `${each.name} ${each.architecture}`;

/** Those that changed first, then those that are the same; by name. */
export function comparePackages(before: BuiltPackage[], after: BuiltPackage[]): PackageChange[] {
  const old = new Map(before.map((each) => [key(each), each]));
  const now = new Map(after.map((each) => [key(each), each]));
  const keys = [...new Set([...old.keys(), ...now.keys()])].toSorted();
  const changes = keys.flatMap((each) => compareOne(old.get(each), now.get(each)) ?? []);
  const [same, changed] = [changes.filter(isSame), changes.filter((each) => !isSame(each))];
  return [...changed, ...same].slice(0, MAX_PACKAGES);
}

const isSame = (change: PackageChange): boolean => change.change === 'same';

function compareOne(before: BuiltPackage | undefined, after: BuiltPackage | undefined): PackageChange | null {
  const either = after ?? before;
  if (!either) return null;
  const { name, architecture } = either;
  const size = { from: before?.size ?? null, to: after?.size ?? null };
  const base = { name, architecture, size };
  if (!before || !after) {
    return { ...base, change: after ? 'added' : 'removed', fields: [], files: null };
  }
  const fields = compareFields(before, after);
  const files = before.files && after.files ? compareFiles(before.files, after.files) : null;
  const moved = files ? files.counts.added + files.counts.removed + files.counts.altered : 0;
  return { ...base, change: fields.length + moved > 0 ? 'changed' : 'same', fields, files };
}

function compareFields(before: BuiltPackage, after: BuiltPackage): FieldChange[] {
  const names = [...new Set([...Object.keys(before.control), ...Object.keys(after.control)])];
  return names.flatMap((field) => {
    if (SILENT_FIELDS.has(field)) return [];
    const [from, to] = [fieldOf(before, field), fieldOf(after, field)];
    return from === to ? [] : [{ field, from: clip(from), to: clip(to) }];
  });
}

/** With the package's own version taken out: `Depends: libx1 (= 1.0-1)` is the same in the next version. */
function fieldOf({ control, version }: BuiltPackage, field: string): string | null {
  return control[field]?.replaceAll(`(= ${version})`, '(= ${version})') ?? null;
}

const clip = (text: string | null): string | null => text && text.slice(0, MAX_VALUE_CHARS).toWellFormed();

function compareFiles(before: PackageFile[], after: PackageFile[]): NonNullable<PackageChange['files']> {
  const [old, now] = [byPath(before), byPath(after)];
  const added = [...now.keys()].filter((each) => !old.has(each));
  const removed = [...old.keys()].filter((each) => !now.has(each));
  const altered = [...now.values()].filter((file) => isAltered(old.get(file.path), file));
  return {
    added: added.slice(0, MAX_PATHS),
    removed: removed.slice(0, MAX_PATHS),
    altered: altered.slice(0, MAX_PATHS).map((file) => describe(old.get(file.path), file)),
    counts: { added: added.length, removed: removed.length, altered: altered.length },
  };
}

function byPath(files: PackageFile[]): Map<string, PackageFile> {
  const told = files.filter((file) => !SILENT_PATH.test(file.path));
  return new Map(
    told.map((file): [string, PackageFile] => [file.path, file]).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Sizes of files change with every build; an empty file that was not, or the reverse, is worth a word. */
function isAltered(before: PackageFile | undefined, after: PackageFile): boolean {
  if (!before) return false;
  const hasEmptied =
    after.mode.startsWith('-') && after.link === null && (before.size === 0) !== (after.size === 0);
  return (
    before.mode !== after.mode || before.owner !== after.owner || before.link !== after.link || hasEmptied
  );
}

function describe(before: PackageFile | undefined, after: PackageFile): string {
  if (!before) return after.path;
  if (before.mode !== after.mode) return `${after.path} (${before.mode} -> ${after.mode})`;
  if (before.owner !== after.owner) return `${after.path} (${before.owner} -> ${after.owner})`;
  if (before.link !== after.link) return `${after.path} (-> ${before.link ?? ''} -> ${after.link ?? ''})`;
  return `${after.path} (${String(before.size)} -> ${String(after.size)} bytes)`;
}
