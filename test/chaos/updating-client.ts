/** An apt that updates over and over, and remembers every update that was not clean. */
import { copyFile, mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment, run } from '../../shared/process/run.ts';

export interface UpdatingOptions {
  name: string;
  /** http or file URI below which the queues lie. */
  base: string;
  byHash: boolean;
  queues: readonly string[];
}

export interface Updated {
  name: string;
  updates: number;
  /** What apt said at each update that was not clean. */
  failures: string[];
  /** InRelease of each queue, as the client has it at the end. */
  seen: string[];
}

export interface UpdatingClient {
  /** Lets the running update end, makes one more, and tells. */
  finish(): Promise<Updated>;
}

/** Starts at once. The key is taken from the target, as a person would. */
export async function startUpdating(folder: string, options: UpdatingOptions): Promise<UpdatingClient> {
  const root = await mkdtemp(path.join(folder, 'updating-'));
  const env = minimalEnvironment({ APT_CONFIG: await configure(root, options), LC_ALL: 'C' });
  const failures: string[] = [];
  let updates = 0;
  const ending = new AbortController();
  const update = async (): Promise<void> => {
    const { code, stderr } = await run(['apt-get', '-q', 'update'], { cwd: root, env, timeoutMs: 120_000 });
    updates += 1;
    const said = stderr.toString('utf8').trim();
    if (code !== 0 || said !== '') failures.push(said === '' ? `exit ${String(code)}` : said);
  };
  const loop = (async () => {
    while (!ending.signal.aborted) await update();
  })();
  return {
    finish: async () => {
      ending.abort();
      await loop;
      await update();
      return { name: options.name, updates, failures, seen: await inReleases(root, options.queues) };
    },
  };
}

async function configure(root: string, options: UpdatingOptions): Promise<string> {
  for (const part of [
    'etc/preferences.d',
    'etc/apt.conf.d',
    'state/lists/partial',
    'cache/archives/partial',
  ]) {
    await mkdir(path.join(root, part), { recursive: true });
  }
  const key = path.join(root, 'archive-key.asc');
  if (options.base.startsWith('file:')) {
    await copyFile(path.join(options.base.slice('file:'.length), 'archive-key.asc'), key);
  } else {
    await writeFile(key, await (await fetch(`${options.base}/archive-key.asc`)).text());
  }
  const lines = options.queues.map(
    (queue) => `deb [signed-by=${key}] ${options.base}/${queue} bookworm main\n`,
  );
  await writeFile(path.join(root, 'etc/sources.list'), lines.join(''));
  await writeFile(path.join(root, 'status'), '');
  const settings = {
    'Dir::Etc': path.join(root, 'etc'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State': path.join(root, 'state'),
    'Dir::State::status': path.join(root, 'status'),
    'Dir::Cache': path.join(root, 'cache'),
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64',
    'APT::Sandbox::User': 'root',
    'APT::Update::Error-Mode': 'any',
    'Acquire::By-Hash': options.byHash ? 'yes' : 'no',
    'Acquire::Retries': '0',
    'Debug::NoLocking': 'true',
  };
  const file = path.join(root, 'apt.conf');
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  );
  return file;
}

/** apt names a list after its URI, so the queue stands in the name. */
async function inReleases(root: string, queues: readonly string[]): Promise<string[]> {
  const lists = path.join(root, 'state/lists');
  const names = await readdir(lists);
  return Promise.all(
    queues.map(async (queue) => {
      const name = names.find((each) => each.endsWith(`_${queue}_dists_bookworm_InRelease`));
      return name === undefined ? '' : readFile(path.join(lists, name), 'utf8');
    }),
  );
}
