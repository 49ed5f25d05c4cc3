/** Targets of failed builds that are kept: a shell in one, what stands below it, and its end. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RunnerHarness, type Overrides } from '../support/runner-harness.ts';
import { makeSourcePackage } from '../support/source-package.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 300_000 });

let runner: RunnerHarness;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-kept-'));
  runner = await RunnerHarness.open();
});

afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

async function attempt(name: string, overrides: Overrides): Promise<string> {
  const source = await makeSourcePackage(name, { outDir: path.join(scratch, name) });
  return runner.buildAttempt(source, name === 'greeter-data' ? 'all' : 'any', overrides);
}

async function failAndKeep(slot: number): Promise<string> {
  const id = await attempt('simple-build-failure', { slot, keepFailedS: 3600 });
  const { result } = await runner.toEnd(id);
  expect(result).toMatchObject({ exitClass: 'package', stage: 'build', keptS: 3600 });
  return id;
}

/** What a shell in the target answers to these lines. */
async function inShell(id: string, lines: string[]): Promise<string> {
  const input = `${[...lines, 'exit'].join('\n')}\n`;
  const { stdout, stderr } = await runner.call(['shell', runner.folder(id)], { input });
  return stdout.toString('utf8').replaceAll('\r', '') + stderr.toString('utf8');
}

test('an admin finds in the target what the build left, as root of it and of nothing else', async () => {
  const id = await failAndKeep(30);
  const said = await inShell(id, [
    'echo "tree: $(ls /build/*/debian/control)"',
    'echo "who: $(id -u) on $(hostname), $(ls /home | wc -l) homes"',
    'echo "processes: $(ls -d /proc/[0-9]* | wc -l)"; touch /seen; tty',
  ]);
  expect(said).toContain('tree: /build/simple-build-failure-1.0/debian/control\n');
  expect(said).toContain('who: 0 on target, 0 homes\n');
  expect(Number(/processes: (\d+)\n/.exec(said)?.[1])).toBeLessThan(15);
  expect(said).toContain('/dev/pts/0\n');
  // What was changed there stays for the next look.
  expect(await inShell(id, ['ls -1 /seen'])).toContain('\n/seen\n');
});

test('it stays when the next job takes the slot, and goes with the first job after its time', async () => {
  const id = await failAndKeep(31);
  await runner.toSuccess(await attempt('greeter-data', { slot: 31 }));
  expect(await runner.names(id)).toContain('target');
  const file = path.join(runner.folder(id), 'kept.json');
  const kept = JSON.parse(await readFile(file, 'utf8')) as { untilMs: number };
  await writeFile(file, JSON.stringify({ ...kept, untilMs: Date.now() - 1 }));
  expect(await inShell(id, [])).toContain('is not kept');
  await runner.toSuccess(await attempt('greeter-data', { slot: 32 }));
  await expect(runner.names(id)).rejects.toThrow('ENOENT');
});

test('one that is removed leaves no mark on its base; a success is not kept', async () => {
  const id = await failAndKeep(33);
  const { lower } = JSON.parse(await readFile(path.join(runner.folder(id), 'kept.json'), 'utf8')) as {
    lower: string;
  };
  const mark = path.join(path.dirname(lower.split(':').at(-1)!), `kept-${id}`);
  await readFile(mark);
  expect((await runner.call(['remove', runner.folder(id)])).code).toBe(0);
  await expect(readFile(mark)).rejects.toThrow('ENOENT');
  const good = await attempt('greeter-data', { slot: 33, keepFailedS: 3600 });
  const { result } = await runner.toSuccess(good);
  expect(result).not.toHaveProperty('keptS');
  expect(await runner.names(good)).not.toContain('target');
});

test('bases says which bases there are', async () => {
  const { stdout } = await runner.call(['bases', runner.workdir]);
  const list = JSON.parse(stdout.toString('utf8')) as { product: string; ageS: number; idleS: number }[];
  expect(list.length).toBeGreaterThan(0);
  for (const each of list) expect(each.idleS).toBeLessThanOrEqual(each.ageS + 1);
});
