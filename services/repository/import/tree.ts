/**
 * A published archive tree (`dists/` and `pool/`): what its indexes list, checked from Release down. Its lists are
 * written once into a spool file, so that neither their text nor a table of them is held in memory.
 */
import { closeSync, createReadStream, openSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { archivePath } from '../../../shared/debian/archive-path.ts';
import { readRelease, type ReadRelease, type ReleaseEntry } from '../../../shared/debian/read-release.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import { readIndexFile } from '../mirror/read-index.ts';
import type { Candidate, ImportSource, Refuse, Refused, RepositoryFacts } from './candidate.ts';
import { candidateOf } from './stanza.ts';

/** Suites and components; `stable/updates` is the deepest there is. */
const MAX_DEPTH = 3;
const MAX_RELEASE_BYTES = 8 * 1024 * 1024;
/** Written to the spool at a time. */
const PIECE_CHARACTERS = 256 * 1024;
/** Forms in the order in which they are cheapest to read. */
const ENDINGS = ['', '.gz', '.zst', '.xz'] as const;
const INDEX = /^(?:[A-Za-z0-9+._-]+\/)+(?:binary-[a-z0-9-]+\/Packages|source\/Sources)$/;

/** A distribution below `dists/`. */
export interface Tree {
  /** Where `Filename` starts from, relative to the root: '' or `public/prefix`. */
  base: string;
  /** `bookworm`, `stable/updates`. */
  name: string;
}

/** Distributions of the archive in `root`/`base`; links to others (`stable` -> `bookworm`) are left out. */
export async function treesOf(root: string, base = ''): Promise<Tree[]> {
  const found: Tree[] = [];
  const visit = async (name: string, depth: number): Promise<void> => {
    const folder = path.join(root, base, 'dists', name);
    for (const file of ['InRelease', 'Release']) {
      if ((await stat(path.join(folder, file)).catch(() => null))?.isFile() !== true) continue;
      found.push({ base, name });
      return;
    }
    if (depth >= MAX_DEPTH) return;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory() && archivePath(entry.name) !== null)
        await visit(path.posix.join(name, entry.name), depth + 1);
    }
  };
  await visit('', 0);
  return found;
}

/**
 * Opens one distribution: the named one (by folder, suite or codename), or the only one. Throws
 * `distribution-missing`, `distribution-unknown`, and what is wrong with its Release.
 */
export async function openTree(
  kind: ImportSource['kind'],
  root: string,
  trees: readonly Tree[],
  wanted: string | undefined,
): Promise<ImportSource> {
  const { tree, release } = await chooseTree(root, trees, wanted);
  const spool = createSpool(root, tree, release);
  return {
    ...{ kind, root, part: path.posix.join(tree.base, 'dists', tree.name), facts: factsOf(tree, release) },
    count: async () => (await spool.fill()).count,
    candidates: (refuse) => spool.read(refuse),
  };
}

async function chooseTree(
  root: string,
  trees: readonly Tree[],
  wanted: string | undefined,
): Promise<{ tree: Tree; release: ReadRelease }> {
  const names = trees.map((tree) => path.posix.join(tree.base, tree.name)).join(', ');
  const read = async (tree: Tree): Promise<{ tree: Tree; release: ReadRelease }> => {
    return { tree, release: await readReleaseOf(path.join(root, tree.base, 'dists', tree.name)) };
  };
  if (wanted === undefined) {
    const [only, other] = trees;
    if (only && !other) return read(only);
    const error = only
      ? 'There are several distributions'
      : `There is no published distribution below ${root}`;
    throw new AppError('distribution-missing', error, {
      hint: only
        ? `Add --distribution, one of: ${names}`
        : 'Publish it there first (reprepro export, aptly publish), or name a folder of packages.',
    });
  }
  const byName = trees.find(
    (tree) => tree.name === wanted || path.posix.join(tree.base, tree.name) === wanted,
  );
  if (byName) return read(byName);
  for (const tree of trees) {
    const found = await read(tree).catch(() => null);
    if (found && [found.release.fields.get('Suite'), found.release.fields.get('Codename')].includes(wanted))
      return found;
  }
  throw new AppError('distribution-unknown', `There is no distribution '${wanted}'`, {
    hint: `There are: ${names}`,
  });
}

async function readReleaseOf(folder: string): Promise<ReadRelease> {
  for (const name of ['Release', 'InRelease']) {
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => null);
    if (found?.isFile() !== true) continue;
    if (found.size > MAX_RELEASE_BYTES) throw new AppError('release-invalid', `${file} is too large`);
    const text = await readFile(file, 'utf8');
    return readRelease(text.startsWith('-----BEGIN PGP') ? readClearsigned(text).text : text);
  }
  throw new AppError('release-invalid', `${folder} has no Release`);
}

function factsOf(tree: Tree, { fields, components, architectures }: ReadRelease): RepositoryFacts {
  const facts: RepositoryFacts = {
    // Old security archives say `updates/main` for what lies in `main/`.
    components: components.map((each) => path.posix.basename(each)),
    architectures: architectures.filter((each) => each !== 'all' && each !== 'source'),
    codename: fields.get('Codename') ?? path.posix.basename(tree.name),
    notAutomatic: fields.get('NotAutomatic') === 'yes',
  };
  for (const [key, name] of [
    ['origin', 'Origin'],
    ['label', 'Label'],
    ['suite', 'Suite'],
  ] as const) {
    const value = fields.get(name);
    if (value !== undefined && value !== '') facts[key] = value;
  }
  return facts;
}

interface Spool {
  fill(): Promise<{ count: number }>;
  read(refuse: Refuse): AsyncGenerator<Candidate>;
}

function createSpool(root: string, tree: Tree, release: ReadRelease): Spool {
  const dists = path.join(root, tree.base, 'dists', tree.name);
  let filled: { folder: string; count: number; refused: Refused[] } | null = null;
  const fill = async (): Promise<{ folder: string; count: number; refused: Refused[] }> => {
    if (filled) return filled;
    const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-import-'));
    try {
      filled = { folder, ...(await writeSpool(path.join(folder, 'list'), dists, tree, release)) };
      return filled;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  };
  return {
    fill,
    async *read(refuse) {
      const { folder, refused } = await fill();
      try {
        for (const each of refused) refuse(each);
        const lines = createInterface({
          input: createReadStream(path.join(folder, 'list')),
          crlfDelay: Infinity,
        });
        for await (const line of lines) yield JSON.parse(line) as Candidate;
      } finally {
        await rm(folder, { recursive: true, force: true });
        filled = null;
      }
    },
  };
}

/** Every index that Release lists and that is there, read through once. */
async function writeSpool(
  file: string,
  dists: string,
  tree: Tree,
  release: ReadRelease,
): Promise<{ count: number; refused: Refused[] }> {
  const refused: Refused[] = [];
  let count = 0;
  const lines = openLines(file);
  try {
    for (const { index, entry, plain } of await indexesOf(dists, release)) {
      await checkIndex(dists, entry);
      await readIndexFile(path.join(dists, entry.path), path.extname(entry.path), plain, (text) => {
        try {
          lines.add(JSON.stringify(candidateOf(text, index, tree.base)));
          count += 1;
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          const where = path.posix.join(
            tree.base,
            'dists',
            tree.name,
            `${index}#${String(refused.length + 1)}`,
          );
          refused.push({ path: where, code: error.code, reason: error.message });
        }
      });
    }
  } finally {
    lines.close();
  }
  return { count, refused };
}

/** Writes lines at once and in large pieces: what gives them cannot wait. */
function openLines(file: string): { add(line: string): void; close(): void } {
  const fd = openSync(file, 'wx', 0o600);
  let waiting = '';
  const flush = (): void => {
    writeFileSync(fd, waiting);
    waiting = '';
  };
  return {
    add: (line) => {
      waiting += `${line}\n`;
      if (waiting.length > PIECE_CHARACTERS) flush();
    },
    close: () => {
      flush();
      closeSync(fd);
    },
  };
}

interface TreeIndex {
  /** `main/binary-amd64/Packages` */
  index: string;
  entry: ReleaseEntry;
  plain: ReleaseEntry | null;
}

async function indexesOf(dists: string, release: ReadRelease): Promise<TreeIndex[]> {
  const names = new Set(
    [...release.entries.keys()].map((name) => name.replace(/\.(?:gz|xz|zst|bz2|lzma)$/, '')),
  );
  const found: TreeIndex[] = [];
  for (const index of [...names].filter((name) => INDEX.test(name)).toSorted()) {
    const plain = release.entries.get(index) ?? null;
    let isThere = false;
    for (const ending of ENDINGS) {
      const entry = release.entries.get(index + ending);
      if (isThere || !entry || (await stat(path.join(dists, entry.path)).catch(() => null)) === null)
        continue;
      found.push({ index, entry, plain });
      isThere = true;
    }
    // An empty one may be left away.
    if (!isThere && plain?.size !== 0) {
      throw new AppError(
        'index-missing',
        `${index} is listed in Release and is not there in a form that is read`,
        {
          hint: `Read are: plain, ${ENDINGS.filter((ending) => ending !== '').join(', ')}. Export the repository with one of these.`,
        },
      );
    }
  }
  return found;
}

/** Throws `index-sum-differs` when the index is not the one that Release lists. */
async function checkIndex(dists: string, entry: ReleaseEntry): Promise<void> {
  const algorithm = entry.sha256 === undefined ? 'sha512' : 'sha256';
  const { size, sums } = await hashFile(path.join(dists, entry.path), [algorithm]);
  if (size === entry.size && sums[algorithm] === entry[algorithm]) return;
  throw new AppError('index-sum-differs', `${entry.path} is not the file that Release lists`, {
    hint: 'Export or publish the repository again, then repeat the import.',
  });
}
