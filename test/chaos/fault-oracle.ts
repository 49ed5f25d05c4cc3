/** What must hold after every fault, once everything runs again: nothing lost, nothing doubled, hosts clean. */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { MANIFEST, setManifest } from '../../shared/protocol/set.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { buildOf, type BuildState } from '../integration/dispatch-support.ts';
import { waitFor } from '../support/wait.ts';
import type { FaultHost, FaultLine } from './fault-line.ts';

/** One build that came through: one good attempt, one set, one whole log; each other try was the machine's. */
export async function expectDeliveredOnce(line: FaultLine, source: string): Promise<BuildState> {
  const build = await buildOf(line.garage, source);
  expect(build.status).toBe('uploaded');
  const good = build.attempts.filter((attempt) => attempt.exit_class === 'success');
  expect(good).toHaveLength(1);
  const others = build.attempts.filter((attempt) => attempt.exit_class !== 'success');
  expect(others.every((attempt) => attempt.exit_class === 'machine')).toBe(true);
  expect(build.given_back).toBe(others.length);
  const ids = new Set(build.attempts.map(({ id }) => id));
  const sets = (await setsOf(line)).filter((each) => ids.has(each));
  expect(sets).toEqual([good[0]!.id]);
  await expectWholeSet(line, good[0]!.id);
  return build;
}

async function setsOf(line: FaultLine): Promise<string[]> {
  const { home, common } = line.garage;
  const folder = path.join(home.repositoryIncoming, common.queues[0].name, common.products[0]!.name);
  return readdir(folder).catch(() => []);
}

async function expectWholeSet(line: FaultLine, id: string): Promise<void> {
  const { home, common } = line.garage;
  const queue = path.join(home.repositoryIncoming, common.queues[0].name, common.products[0]!.name, id);
  const manifest = setManifest.parse(JSON.parse(await readFile(path.join(queue, MANIFEST), 'utf8')));
  expect(manifest.files.length).toBeGreaterThan(1);
  for (const file of manifest.files) {
    const { size, sums } = await hashFile(path.join(queue, file.name), ['sha256']);
    expect({ size, sha256: sums['sha256'] }).toEqual({ size: file.size, sha256: file.sha256 });
  }
}

/** The log here is the host's own, byte by byte (the stand-in keeps it when the attempt is removed). */
export async function expectWholeLog(line: FaultLine, host: FaultHost, source: string): Promise<void> {
  const good = (await buildOf(line.garage, source)).attempts.find((each) => each.exit_class === 'success')!;
  const here = await readFile(path.join(line.garage.home.root, good.directory, 'build.log'), 'utf8');
  expect(here.endsWith('the end\n')).toBe(true);
  const there = await waitFor('the attempt to be removed on its host', () =>
    readFile(path.join(host.workdir, `log-${good.id}`), 'utf8').catch(() => null),
  );
  expect(here).toBe(there);
}

/** Waits until no attempt is open and hosts keep nothing; what is left after a minute, as `host: what`. */
/** A host that was cut off is asked again after a minute at most, and believed for another. */
const CLEAN_TIMEOUT_MS = 150_000;

export async function leftOnHosts(line: FaultLine, hosts: FaultHost[] = line.hosts): Promise<string[]> {
  let left: string[] = [];
  await waitFor(
    'everything to be finished and clean',
    async () => {
      left = await openAttempts(line);
      for (const host of hosts) {
        const names = [...(await attemptsOn(host)), ...(await programsOn(host))];
        left.push(...names.map((name) => `${host.name}: ${name}`));
      }
      return left.length === 0;
    },
    CLEAN_TIMEOUT_MS,
  ).catch(() => undefined);
  return left;
}

async function openAttempts(line: FaultLine): Promise<string[]> {
  const { rows } = await line.garage.pool.query<{ id: string }>(
    'select id from attempts where finished_at is null',
  );
  return rows.map(({ id }) => `open: ${id}`);
}

async function attemptsOn(host: FaultHost): Promise<string[]> {
  const attempts = path.join(host.workdir, 'attempts');
  const instances = await readdir(attempts).catch(() => []);
  const names = await Promise.all(instances.map((each) => readdir(path.join(attempts, each))));
  return names.flat();
}

/** A connection is garage's own; what else runs was left. */
async function programsOn(host: FaultHost): Promise<string[]> {
  const pids = await host.processes();
  const names = await Promise.all(
    pids.map((pid) => readFile(`/proc/${String(pid)}/comm`, 'utf8').catch(() => 'sshd')),
  );
  return names.map((name) => name.trim()).filter((name) => !/^(sshd|sftp-server)/.test(name));
}
