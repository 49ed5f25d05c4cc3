/**
 * Check `rebuild`: the same source built once more, and its packages compared with the first ones byte for byte.
 * What differs is looked at within a target, since packages are unpacked for that.
 */
import type { BuildJob, CheckJob } from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { collectResults } from '../results/collect.ts';
import type { Driver } from '../target/driver.ts';
import { jobFailure } from '../build/failure.ts';
import type { CheckRoom } from './room.ts';
import { failed, passed, type Verdict } from './verdict.ts';

/** What the first build was told, from what the check was told. */
export function buildJobOf(job: CheckJob): BuildJob {
  if (job.dsc === undefined) throw jobFailure('usage', 'A rebuild needs the source package');
  const { kind: _, check: _check, packages, dsc, failOn: _failOn, ...same } = job;
  const files = job.files.filter((file) => !isPackage(file.name) && !packages.includes(file.name));
  return { ...same, kind: 'build', dsc, files };
}

/** The second build's files in `results`. A package that does not build again fails the check. */
export async function buildAgain(job: CheckJob, driver: Driver, results: string): Promise<FileEntry[]> {
  const again = buildJobOf(job);
  const folder = await driver.build(again);
  const files = await collectResults(folder, results, again);
  await driver.close();
  return files;
}

export interface Pair {
  name: string;
  first: FileEntry | undefined;
  second: FileEntry | undefined;
}

function isPackage(name: string): boolean {
  return /\.[ud]?deb$/.test(name);
}

/** The packages of either build whose bytes are not the same. */
export function differing(job: CheckJob, rebuilt: FileEntry[]): Pair[] {
  const names = [...new Set([...job.packages, ...rebuilt.map((file) => file.name).filter(isPackage)])];
  return names
    .map((name) => ({
      name,
      first: job.packages.includes(name) ? job.files.find((file) => file.name === name) : undefined,
      second: rebuilt.find((file) => file.name === name),
    }))
    .filter(({ first, second }) => first === undefined || first.sha256 !== second?.sha256);
}

/** Lines of `diff` that say what is not the same. */
const DIFFERENCE = /^(?:Files|Only in|File|Symbolic links|[<>]) .+$/gm;
const MAX_LINES_PER_PACKAGE = 20;

async function explain(room: CheckRoom, pairs: Pair[]): Promise<string[]> {
  const target = await room.open();
  const lines: string[] = [];
  for (const { name, first, second } of pairs) {
    if (first === undefined || second === undefined) {
      lines.push(`${name}: only the ${first === undefined ? 'second' : 'first'} build made it`);
      continue;
    }
    lines.push(`${name}: ${first.size} and ${second.size} bytes`);
    for (const side of ['files', 'again']) {
      const argv = ['dpkg-deb', '--raw-extract', `/check/${side}/${name}`, `/tmp/${side}`] as [
        string,
        ...string[],
      ];
      const { code } = await target.exec(argv);
      if (code !== 0) throw jobFailure('package', `${name} cannot be unpacked`);
    }
    const { tail } = await target.exec(
      ['diff', '--recursive', '--no-dereference', '--brief', 'files', 'again'],
      {
        cwd: '/tmp',
      },
    );
    const found = [...tail.matchAll(DIFFERENCE)].map(([line]) => `  ${line}`);
    if (found.length === 0) found.push('  the same files; modes, owners, times or compression differ');
    lines.push(...found.slice(0, MAX_LINES_PER_PACKAGE));
    await target.exec(['diff', '--unified', 'files/DEBIAN/control', 'again/DEBIAN/control'], { cwd: '/tmp' });
    await target.exec(['rm', '-rf', '/tmp/files', '/tmp/again']);
  }
  return lines;
}

export async function compareBuilds(job: CheckJob, rebuilt: FileEntry[], room: CheckRoom): Promise<Verdict> {
  const pairs = differing(job, rebuilt);
  if (pairs.length === 0) return passed(`Reproducible: ${job.packages.length} packages are the same bytes`);
  const lines = await explain(room, pairs);
  const names = pairs.map((pair) => pair.name).join(', ');
  return failed(`Not reproducible: ${names}`, lines);
}
