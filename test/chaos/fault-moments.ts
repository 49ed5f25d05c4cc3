/** The moments at which faults strike, and how long a moment lasts: a link slow enough to be met in the middle. */
import { open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../shared/errors/app-error.ts';
import { run, runChecked } from '../../shared/process/run.ts';
import { acceptSource, buildOf } from '../integration/dispatch-support.ts';
import { waitFor } from '../support/wait.ts';
import type { FaultHost, FaultLine } from './fault-line.ts';

/** While files go to the host, while its build runs, while its results come back. */
export const STAGES = ['copy', 'build', 'fetch'] as const;
export type FaultStage = (typeof STAGES)[number];

/** A sample's 150 kB then take 5 s one way, its 600 kB of results 8 s the other. */
const SLOW = { copy: '250kbit', fetch: '600kbit' } as const;
/** Lines of a log after which a build is in its middle. */
const LINES = 30;
const DEADLINE_MS = 90_000;

/** This machine's end of a host's cable. */
function outside(host: FaultHost): string {
  const [, , , unique = '', index = ''] = host.namespace.split('-');
  return `ab${unique}n${index}`;
}

async function slowDown(host: FaultHost, stage: FaultStage): Promise<void> {
  if (stage === 'build') return;
  const limit = ['root', 'tbf', 'rate', SLOW[stage], 'burst', '16kb', 'latency', '200ms'];
  if (stage === 'copy') await runChecked(['tc', 'qdisc', 'replace', 'dev', outside(host), ...limit]);
  else await runChecked(['tc', '-n', host.namespace, 'qdisc', 'replace', 'dev', 'uplink', ...limit]);
}

async function speedUp(host: FaultHost): Promise<void> {
  await run(['tc', 'qdisc', 'del', 'dev', outside(host), 'root']);
  await run(['tc', '-n', host.namespace, 'qdisc', 'del', 'dev', 'uplink', 'root']);
}

/** Lets the stand-in for the runner end its build of `name`. */
export function letEnd(host: FaultHost, name: string): Promise<void> {
  return writeFile(path.join(host.workdir, `open-${name}`), '');
}

/** Accepts a source that builds on `host` and brings its attempt to the middle of `stage`; the source's id. */
export async function bringTo(
  line: FaultLine,
  host: FaultHost,
  stage: FaultStage,
  name: string,
): Promise<string> {
  if (stage === 'fetch') await letEnd(host, name);
  await slowDown(host, stage);
  const source = await acceptSource(line.garage, name, '1.0', [host.architecture]);
  await waitFor(`${name} to be in its ${stage}`, () => isIn(line, host, stage, source), DEADLINE_MS);
  return source;
}

async function isIn(line: FaultLine, host: FaultHost, stage: FaultStage, source: string): Promise<boolean> {
  const [attempt] = (await buildOf(line.garage, source)).attempts;
  if (!attempt) return false;
  const results = path.join(line.garage.home.root, attempt.directory);
  if (stage === 'copy') return hasPartial(path.join(await attemptFolder(host, attempt.id), 'source'));
  if (stage === 'fetch') return hasPartial(results);
  const log = await readFile(path.join(results, 'build.log'), 'utf8').catch(() => '');
  return log.split('\n').length > LINES;
}

/** Where an attempt lies on its host; this machine's files are the host's. */
async function attemptFolder(host: FaultHost, attempt: string): Promise<string> {
  const attempts = path.join(host.workdir, 'attempts');
  const [instance = ''] = await readdir(attempts).catch(() => []);
  return path.join(attempts, instance, attempt);
}

async function hasPartial(folder: string): Promise<boolean> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.partial')) continue;
    const found = await stat(path.join(folder, name)).catch(() => null);
    if (found && found.size > 0) return true;
  }
  return false;
}

/** Lets the build end and everything go at full speed, and waits for where it must come out. */
export async function comesThrough(
  line: FaultLine,
  host: FaultHost,
  source: string,
  name: string,
): Promise<void> {
  await speedUp(host);
  await letEnd(host, name);
  await waitFor(
    `${name} to be handed over`,
    async () => {
      // Given back, it waits some seconds before the next try; the test does not.
      await line.garage.pool.query(
        `update builds set not_before = now() where source_id = $1 and not_before > now()`,
        [source],
      );
      const build = await buildOf(line.garage, source);
      if (build.status === 'uploaded') return true;
      throw new Error(`it is ${build.status} (${build.fail_reason ?? ''})`);
    },
    DEADLINE_MS,
  );
}

/** Fills the host's disk but for `leaveBytes`; gives what lets go of it again. */
export async function fillDisk(host: FaultHost, leaveBytes: number): Promise<() => Promise<void>> {
  const name = path.join(host.workdir, 'filler');
  const file = await open(name, 'w');
  const chunk = Buffer.alloc(64 * 1024);
  let size = 0;
  // The host writes as well, so how much is left is known when nothing is.
  try {
    for (;;) size += (await file.write(chunk, 0, chunk.length, size)).bytesWritten;
  } catch (error) {
    if (!hasErrno(error, 'ENOSPC')) throw error;
  }
  await file.truncate(Math.max(0, size - leaveBytes));
  await file.close();
  return () => rm(name);
}
