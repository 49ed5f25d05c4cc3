/**
 * Check `autopkgtest`: the tests that the source package brings, run by Debian's autopkgtest within a clean
 * target (its `null` server: the target is the testbed and is thrown away afterwards).
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDsc } from '../../../shared/debian/dsc.ts';
import type { CheckJob } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { updateOwn } from './apt.ts';
import { installable } from './install.ts';
import { pathOf, type CheckRoom } from './room.ts';
import { failed, passed, type Verdict } from './verdict.ts';

/** One line for each test at the end: `smoke                PASS`. */
const TEST = /^(\S+)\s+(PASS|FAIL|SKIP|FLAKY)\b.*$/gm;

const KILLED = -1;

/** Whether the .dsc says that there are tests; read before any target is made. */
export async function hasTests(job: CheckJob, sourceFolder: string): Promise<boolean> {
  if (job.dsc === undefined) return false;
  const dsc = parseDsc(await readFile(path.join(sourceFolder, job.dsc), 'utf8'));
  return dsc.testsuite.length > 0;
}

export async function checkAutopkgtest(job: CheckJob, room: CheckRoom): Promise<Verdict> {
  const target = await room.open();
  await updateOwn(target);
  const files = [...installable(job), job.dsc ?? ''].map(pathOf);
  const { code, tail } = await target.exec(
    [
      'autopkgtest',
      '--no-built-binaries',
      '--user=builder',
      '--summary-file=/tmp/summary',
      ...files,
      '--',
      'null',
    ],
    { cwd: '/tmp' },
  );
  const summary = tail.slice(tail.lastIndexOf('@@@@ summary') + 1);
  const tests = [...summary.matchAll(TEST)].map(([line]) => line);
  const count = (word: string): number => tests.filter((line) => line.includes(` ${word}`)).length;
  const note = `${count('PASS')} of ${tests.length} tests passed`;
  // autopkgtest(1), exit status; a signal is the machine's.
  switch (code ?? KILLED) {
    case 0:
      return passed(note, tests);
    case 2:
      return passed(`${note}, the others were skipped`, tests);
    case 8:
      return passed('There is no test that can be run here', tests);
    case 4:
    case 6:
      return failed(
        `${note}, ${count('FAIL')} failed: ${tests.find((line) => line.includes(' FAIL')) ?? ''}`,
        tests,
      );
    case 12:
    case 14:
      return failed('The tests or what they depend on are not in order; the log says why', tests);
    default:
      throw jobFailure('machine', `autopkgtest ended with ${String(code)}`);
  }
}
