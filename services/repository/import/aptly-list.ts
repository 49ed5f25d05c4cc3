/**
 * What the `aptly` program lists of a local repo or a snapshot, published or not. Its files lie in aptly's pool
 * under their SHA-256: `pool/2e/6e/2f1a...87_hello_2.10-3_amd64.deb`.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isFileName } from '../../../shared/debian/names.ts';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';
import type { Candidate, ImportSource, Refuse } from './candidate.ts';
import { kindOfName } from './loose.ts';

/** A million packages take some 300 MB. */
const MAX_OUTPUT_BYTES = 512 * 1024 * 1024;
/** aptly reads some thousand packages a second. */
const TIMEOUT_MS = 30 * 60_000;
const RECORD = '\u001e';
/** A line with key, name, size and sum of a binary package; then a source's list of files. */
const FORMAT = `${RECORD}{{.Key}}\t{{.Filename}}\t{{.Size}}\t{{.SHA256}}\n{{index . "Checksums-Sha256"}}`;

/** Throws `aptly-missing`, `aptly-no-database`, `aptly-failed` (with aptly's words). */
export async function openAptlyList(
  root: string,
  what: 'repo' | 'snapshot',
  name: string,
): Promise<ImportSource> {
  if ((await stat(path.join(root, 'db')).catch(() => null)) === null) {
    throw new AppError('aptly-no-database', `${root} has no db folder of aptly's`, {
      hint: "Name aptly's rootDir (see its configuration).",
    });
  }
  const records = (await list(root, what, name)).split(RECORD).slice(1);
  return {
    ...{ kind: 'aptly', root, part: `${what} ${name}`, facts: { components: [], architectures: [] } },
    count: () => Promise.resolve(records.length),
    async *candidates(refuse) {
      for (const record of records) {
        const candidate = candidateOf(record, refuse);
        if (candidate) yield await Promise.resolve(candidate);
      }
    },
  };
}

/** With a configuration of its own: which one is used otherwise depends on who asks. */
async function list(root: string, what: 'repo' | 'snapshot', name: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-import-'));
  try {
    const config = path.join(folder, 'aptly.conf');
    await writeFile(config, JSON.stringify({ rootDir: root }));
    const argv = ['aptly', `-config=${config}`, what, 'search', `-format=${FORMAT}`, '--', name] as const;
    const { stdout } = await runChecked(argv, {
      ...{ timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES },
      env: minimalEnvironment({ HOME: folder }),
    });
    return stdout.toString('utf8');
  } catch (error) {
    const message = messageOf(error);
    if (message.includes('ERROR: no results')) return '';
    if (error instanceof AppError && error.code === 'process-not-found') {
      const hint = 'Install aptly, or publish it and name the distribution.';
      throw new AppError('aptly-missing', `--${what} needs the aptly program`, { hint, cause: error });
    }
    throw new AppError('aptly-failed', message, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where aptly keeps a file. */
function poolFile(name: string, sha256: string): string {
  return `pool/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256.slice(4, 32)}_${name}`;
}

function candidateOf(record: string, refuse: Refuse): Candidate | null {
  const [first = '', ...lines] = record.split('\n');
  const [key = '', name = '', size = '', sum = ''] = first.split('\t');
  const files = lines.map((line) => line.trim().split(/\s+/)).filter((words) => words.length === 3);
  const dsc = files.find(([, , each]) => each?.endsWith('.dsc') === true);
  const [sha256 = '', bytes = '', own = ''] = dsc ?? [sum, size, name];
  const kind = kindOfName(own);
  const all = [[sha256, bytes, own], ...files];
  if (kind === null || !all.every(([a = '', b = '', c = '']) => isListed(a, b, c))) {
    refuse({
      path: key,
      code: 'aptly-record-invalid',
      reason: `aptly's record of ${key} names no file to take`,
    });
    return null;
  }
  return {
    ...{ path: poolFile(own, sha256), kind, component: null, section: null, priority: null },
    expected: { size: Number(bytes), sha256 },
    files: Object.fromEntries(all.map(([a = '', , c = '']) => [c, poolFile(c, a)])),
  };
}

function isListed(sha256: string, size: string, name: string): boolean {
  return /^[0-9a-f]{64}$/.test(sha256) && /^[0-9]{1,13}$/.test(size) && isFileName(name);
}
