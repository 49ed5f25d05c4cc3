/**
 * Publishing: Autobuilder, reprepro, aptly and apt-ftparchive side by side on the same synthetic packages. First
 * import, one more package, a hundred more, one less; wall time, processor time, memory. Writes a table and a plot
 * into bench/results/.
 *
 *   npm run bench -- publish [--sizes 1000,10000,60000] [--full] [--only NAME,...]
 *
 * `--full` adds 100,000 packages; `--only 'Autobuilder,reprepro (gz)'` takes some of them by their names in the table.
 * Everything is made below one temporary folder, which is removed at the end.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chmod } from 'node:fs/promises';
import { AppError } from '../shared/errors/app-error.ts';
import { minimalEnvironment, run as runProgram, runChecked } from '../shared/process/run.ts';
import { aptly } from './publish/aptly.ts';
import { autobuilder, type OwnContender } from './publish/autobuilder.ts';
import type { Contender } from './publish/contender.ts';
import { markdown, medianCost, memoryText, summary, type Action, type Row } from './publish/figures.ts';
import { ftparchive } from './publish/ftparchive.ts';
import type { Cost } from './publish/measure.ts';
import { makePackages, type MadePackage } from './publish/packages.ts';
import { plot } from './publish/plot.ts';
import { reprepro } from './publish/reprepro.ts';

const SIZES = [1_000, 10_000, 60_000];
const FULL_SIZE = 100_000;
/** Each contender's small actions are repeated, as often as this much time allows. */
const REPEATS = { least: 2, most: 9, budgetS: 20 } as const;
const HUNDRED = 100;
const OWN = 'Autobuilder';
const RESULTS = path.join(import.meta.dirname, 'results');

interface Stock {
  /** What is imported. */
  base: MadePackage[];
  /** What is added afterwards; each contender takes from the start. */
  extra: MadePackage[];
}

/** Runs the bench and returns its figures. */
export async function run(): Promise<Record<string, unknown>> {
  const { sizes, only } = readOptions();
  await ensurePrograms();
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-bench-publish-'));
  await chmod(folder, 0o755);
  try {
    const rows: Row[] = [];
    for (const size of sizes) {
      rows.push(...(await measureSize(path.join(folder, String(size)), size, only)));
      await writeResults(rows);
    }
    process.stdout.write(markdown(rows));
    return summary(rows, OWN);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function readOptions(): { sizes: number[]; only: string[] | null } {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { sizes: { type: 'string' }, full: { type: 'boolean' }, only: { type: 'string' } },
  });
  const sizes = values.sizes?.split(',').map(Number) ?? [...SIZES, ...(values.full ? [FULL_SIZE] : [])];
  if (sizes.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new AppError('usage', '--sizes takes numbers of packages with commas between them');
  }
  return { sizes, only: values.only?.split(',') ?? null };
}

/** The peers come as Debian packages, which only this bench needs. */
async function ensurePrograms(): Promise<void> {
  const wanted = ['reprepro', 'aptly', 'apt-utils', 'gpg', 'gpg-agent', 'time'];
  const found = await runProgram(['dpkg-query', '-W', '-f', '${db:Status-Status} ${Package}\\n', ...wanted]);
  const there = found.stdout.toString('utf8');
  const missing = wanted.filter((name) => !there.includes(`installed ${name}\n`));
  if (missing.length === 0) return;
  say(`installing ${missing.join(', ')}`);
  const env = minimalEnvironment({ DEBIAN_FRONTEND: 'noninteractive' });
  const argv = ['apt-get', 'install', '-q', '--no-install-recommends', '-y', ...missing] as const;
  await runChecked([...argv], { env, timeoutMs: 10 * 60_000 });
}

async function measureSize(folder: string, size: number, only: string[] | null): Promise<Row[]> {
  say(`${String(size)} packages: making them`);
  await mkdir(folder, { recursive: true });
  const stock: Stock = {
    base: await makePackages(path.join(folder, 'base'), 0, size),
    extra: await makePackages(path.join(folder, 'extra'), size, REPEATS.most + 3 + HUNDRED),
  };
  const key = await makeKey(path.join(folder, 'gnupg'));
  const at = (name: string): { folder: string; gnupgHome: string; keyId: string } => ({
    ...key,
    folder: path.join(folder, name),
  });
  for (const name of ['reprepro', 'aptly', 'ftparchive']) await mkdir(at(name).folder);
  const both = reprepro(at('reprepro'));
  const own = await autobuilder(path.join(folder, 'autobuilder'), false);
  const full = await autobuilder(path.join(folder, 'autobuilder-all'), true);
  const contenders = [own, full, both.gz, both.xz, aptly(at('aptly')), ftparchive(at('ftparchive'))];
  const rows: Row[] = [];
  try {
    for (const each of contenders) {
      if (only !== null && !only.includes(each.name)) continue;
      rows.push(
        await measureContender(each, size, stock, [own, full].find((other) => other === each) ?? null),
      );
      await each.close();
    }
  } finally {
    for (const each of [own, full]) await each.close();
    await runProgram(['gpgconf', '--homedir', key.gnupgHome, '--kill', 'all']);
    await rm(folder, { recursive: true, force: true });
  }
  return rows;
}

async function measureContender(
  each: Contender,
  size: number,
  stock: Stock,
  own: OwnContender | null,
): Promise<Row> {
  const { name, offers, isFull } = each;
  const row: Row = { contender: name, offers, isFull, size, costs: {} };
  const note = (action: Action | 'add one, cold', costs: readonly Cost[]): void => {
    const cost = medianCost(costs);
    row.costs[action] = cost;
    const times = costs.map((one) => one.wallS.toFixed(3)).join(' ');
    say(`${String(size)} ${name}: ${action} ${times} s, ${cost.cpuS.toFixed(2)} s CPU, ${memoryText(cost)}`);
  };
  note('import', [await each.importAll(stock.base)]);
  const extra = [...stock.extra];
  const hundred = extra.splice(0, HUNDRED);
  const spare = extra.splice(0, 2);
  const added: MadePackage[] = [];
  // Once without counting: caches and connections are warm in a service that runs for weeks, and a
  // tool's own caches are warm too.
  await each.add(spare.splice(0, 1));
  const one = await repeat(async () => {
    const [next] = extra.splice(0, 1);
    added.push(next as MadePackage);
    return each.add([next as MadePackage]);
  });
  note('add one', one);
  note('remove one', await repeat(() => each.remove(added.pop() as MadePackage), added.length));
  note('add 100', [await each.add(hundred)]);
  if (own) {
    note('add one, cold', [await own.addCold(spare[0] as MadePackage)]);
  }
  return row;
}

async function repeat(work: () => Promise<Cost>, most: number = REPEATS.most): Promise<Cost[]> {
  const costs: Cost[] = [];
  let spentS = 0;
  while (costs.length < Math.min(most, REPEATS.most)) {
    const cost = await work();
    costs.push(cost);
    spentS += cost.wallS;
    // What takes so long by itself varies little.
    const least = cost.wallS > REPEATS.budgetS ? 1 : REPEATS.least;
    if (costs.length >= least && spentS > REPEATS.budgetS) break;
  }
  return costs;
}

async function makeKey(gnupgHome: string): Promise<{ gnupgHome: string; keyId: string }> {
  await mkdir(gnupgHome, { mode: 0o700 });
  const env = minimalEnvironment({ GNUPGHOME: gnupgHome });
  const user = 'Bench <bench@example.org>';
  await runChecked(
    ['gpg', '--batch', '--passphrase', '', '--quick-generate-key', user, 'ed25519', 'sign', 'never'],
    { env },
  );
  const { stdout } = await runChecked(['gpg', '--batch', '--with-colons', '--list-keys'], { env });
  const keyId = /^fpr:+([0-9A-F]{40}):/m.exec(stdout.toString('utf8'))?.[1] ?? '';
  return { gnupgHome, keyId };
}

async function writeResults(rows: readonly Row[]): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  await writeFile(path.join(RESULTS, 'publish.md'), markdown(rows));
  await writeFile(path.join(RESULTS, 'publish.svg'), plot(rows));
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
