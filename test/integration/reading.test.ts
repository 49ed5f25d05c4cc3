/** From an attempt's end to what page, command line and mail say of it: real rows, real logs, real packages. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { reading } from '../../services/garage/api/readings.ts';
import { finishAttempt } from '../../services/garage/dispatch/finish.ts';
import { attemptRow } from '../../services/garage/dispatch/rows.ts';
import { syncInstalled } from '../../services/garage/dispatch/sync-status.ts';
import { buildReading } from '../../services/garage/reading/reading.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { acceptSource } from './dispatch-support.ts';
import {
  buildinfo,
  finish,
  garage,
  install,
  leave,
  mailsOf,
  makeDeb,
  name,
  show,
} from './reading-support.ts';
import { webClient } from './web-client.ts';

test('a failure is read once, stored, and shown on the page, in the mail and on the command line', async () => {
  const source = await acceptSource(garage, name, '1.0', ['amd64']);
  const { buildId, folder } = await finish(source, { exitClass: 'package', log: 'gcc-error' });
  // The log is not looked at again.
  await rm(path.join(folder, 'build.log'));
  const read = await buildReading(garage, buildId);
  expect(read).toMatchObject({
    attempt: 1,
    comparison: null,
    facts: {
      exitClass: 'package',
      stage: 'build',
      stageSeconds: { setup: 3.5, build: 12.25 },
      firstError: { kind: 'compile', file: 'src/main.c', fileLine: 41 },
      warnings: { '-Wunused-variable': 1, '-Wimplicit-function-declaration': 1, 'dpkg-source': 1 },
    },
  });
  expect(read!.facts.seconds).toBeGreaterThanOrEqual(90);

  const app = await buildWeb(garage);
  try {
    const { body } = await webClient(app).get(`/builds/${buildId}`);
    expect(body).toContain('The compiler found an error in the source.');
    expect(body).toContain('<code>src/main.c:41</code>');
    expect(body).toMatch(/In function ‘main’:\n<strong>src\/main\.c:41:40: error: ‘x’ undeclared/);
    expect(body).toMatch(/12 s|12\.3 s/);
  } finally {
    await app.close();
  }

  await syncInstalled(garage);
  const [mail] = await mailsOf(source);
  expect(mail).toMatchObject({
    recipient: 'maker@example.org',
    subject: `${name} 1.0 FAILED to build on amd64`,
  });
  expect(mail!.body).toBe(
    [
      `${name} 1.0 for bookworm`,
      '',
      'amd64: FAILED in stage build (package): dpkg-buildpackage failed (exit 2)',
      `  http://garage.example.org/builds/${buildId}`,
      '  The compiler found an error in the source. See src/main.c:41',
      '  | src/util.c:12:3: warning: implicit declaration of function ‘old’ [-Wimplicit-function-declaration]',
      '  | gcc -g -O2 -Wall -c -o main.o src/main.c',
      '  | src/main.c: In function ‘main’:',
      '  > src/main.c:41:40: error: ‘x’ undeclared (first use in this function)',
      '  |    41 | int main(void){ undefined_fn(); return x; }',
      '  |       |                                        ^',
      '  | src/main.c:41:40: note: each undeclared identifier is reported only once for each function it appears in',
      '  | src/main.c:44:1: error: expected ‘;’ before ‘}’ token',
      '  | make[1]: *** [Makefile:11: main.o] Error 1',
      '  | make[1]: *** Waiting for unfinished jobs....',
      '',
    ].join('\n'),
  );
  const out = await show(buildId);
  expect(out).toContain('Stages: setup 3.5 s, build 12.3 s');
  expect(out).toContain('The compiler found an error in the source. See src/main.c:41');
});

test('what is missing is named, also when only the runner knows it', async () => {
  const source = await acceptSource(garage, name, '1.0', ['amd64']);
  const missing = ['libnone-dev (>= 2)'];
  const { buildId } = await finish(source, { exitClass: 'dep-wait', log: 'apt-unmet', missing });
  expect((await buildReading(garage, buildId))?.facts.missing).toEqual([
    { kind: 'package', name: 'libnone-dev (>= 2)' },
    { kind: 'package', name: 'libbar-dev (>= 3)' },
  ]);
  await syncInstalled(garage);
  const [mail] = await mailsOf(source);
  expect(mail!.body).toContain('Missing: libnone-dev (>= 2), libbar-dev (>= 3)');
  expect(mail!.headers['X-Autobuilder-Result']).toBe('waiting');
});

describe('against the last good build', () => {
  test('of the same source, architecture and product: dependencies, log, packages', async () => {
    const first = await acceptSource(garage, name, '1.0', ['amd64']);
    const before = await finish(first, {
      exitClass: 'success',
      log: 'success',
      files: { 'sample_1.0_amd64.buildinfo': buildinfo('gcc (= 12.2.0-3),\n old (= 1.0)') },
      deb: await makeDeb('1.0', ['usr/bin/sample', 'usr/share/old']),
    });
    // Packages are the repository's afterwards; what was in them is still known.
    for (const file of await readdir(before.folder)) {
      if (file.endsWith('.deb')) await rm(path.join(before.folder, file));
    }
    const second = await acceptSource(garage, name, '2.0', ['amd64']);
    const after = await finish(second, {
      exitClass: 'success',
      log: 'gcc-error',
      files: { 'sample_2.0_amd64.buildinfo': buildinfo('gcc (= 12.3.0-1),\n new (= 2)') },
      deb: await makeDeb('2.0', ['usr/bin/sample', 'usr/share/new']),
    });
    const comparison = (await buildReading(garage, after.buildId))?.comparison;
    expect(comparison).toMatchObject({
      with: { buildId: before.buildId, version: '1.0' },
      dependencies: {
        by: 'buildinfo',
        count: 3,
        changes: [
          { name: 'gcc', from: '12.2.0-3', to: '12.3.0-1' },
          { name: 'new', from: null, to: '2' },
          { name: 'old', from: '1.0', to: null },
        ],
      },
      log: {
        warnings: {
          '-Wimplicit-function-declaration': { from: 0, to: 1 },
          '-Wunused-variable': { from: 2, to: 1 },
        },
        stageSeconds: { build: { from: 12.25, to: 12.25 } },
      },
      packages: [
        {
          name: 'sample',
          change: 'changed',
          files: { added: ['/usr/share/new'], removed: ['/usr/share/old'] },
        },
      ],
    });
    await install(before.buildId);
    await install(after.buildId);
    await syncInstalled(garage);
    const [mail] = await mailsOf(second);
    expect(mail!.subject).toBe(`Accepted ${name} 2.0 (amd64) into devel`);
    expect(mail!.body).toContain(
      [
        `  Since 1.0 (build ${before.buildId}), the last good one:`,
        '  - build-dependencies: gcc 12.2.0-3 -> 12.3.0-1, new 2 is new, old 1.0 is gone',
        '  - package sample: files 1 added, 1 removed',
      ].join('\n'),
    );
    const app = await buildWeb(garage);
    try {
      const { body } = await webClient(app).get(`/builds/${after.buildId}`);
      expect(body).toContain('Since the last good build');
      expect(body).toContain('<code>/usr/share/new</code>');
      expect(body).toContain('12.3.0-1');
      const answer = await webClient(app).get(`/api/v1/builds/${after.buildId}/reading`);
      // Held to what the document says of it, and to nothing more.
      expect(reading.strict().parse(answer.json())).toMatchObject({
        attempt: 1,
        comparison: { with: { version: '1.0' }, packages: [{ name: 'sample' }] },
      });
      expect((await webClient(app).get(`/api/v1/builds/${after.buildId}/reading?attempt=9`)).statusCode).toBe(
        404,
      );
    } finally {
      await app.close();
    }
    expect(await show(after.buildId)).toContain('- package sample: files 1 added, 1 removed');
  });

  test('a failed build has no .buildinfo: what apt set up is compared', async () => {
    const first = await acceptSource(garage, name, '1.0', ['amd64']);
    await finish(first, { exitClass: 'success', log: 'success' });
    const second = await acceptSource(garage, name, '2.0', ['amd64']);
    const left = await leave(second, { exitClass: 'package', log: 'gcc-error' });
    const log = path.join(left.folder, 'build.log');
    await writeFile(
      log,
      (await readFile(log, 'utf8')).replace('libfoo-dev:amd64 (1.2-3)', 'libfoo-dev:amd64 (1.1-1)'),
    );
    const attempt = await attemptRow(garage.pool, left.attemptId);
    await finishAttempt(garage, attempt!, { exitClass: 'package', message: 'failed', result: null });
    expect((await buildReading(garage, left.buildId))?.comparison).toMatchObject({
      dependencies: { by: 'log', changes: [{ name: 'libfoo-dev', from: '1.2-3', to: '1.1-1' }] },
      packages: null,
    });
    await syncInstalled(garage);
    const [mail] = await mailsOf(second);
    expect(mail!.body).toContain('- build-dependencies: libfoo-dev 1.2-3 -> 1.1-1 (older)');
  });

  test('never with another source, architecture or a failure', async () => {
    const first = await acceptSource(garage, name, '1.0', ['any']);
    await finish(first, { exitClass: 'success', log: 'success', architecture: 'i386' });
    await finish(first, { exitClass: 'package', log: 'ninja' });
    const second = await acceptSource(garage, name, '2.0', ['any']);
    const { buildId } = await finish(second, { exitClass: 'package', log: 'ninja' });
    expect((await buildReading(garage, buildId))?.comparison).toBeNull();
  });
});

test('packages of old good builds are forgotten, those of the last two are not', async () => {
  const deb = await makeDeb('9.0', ['usr/bin/sample']);
  const attempts: string[] = [];
  for (const version of ['1.0', '2.0', '3.0', '4.0']) {
    const source = await acceptSource(garage, name, version, ['amd64']);
    attempts.push((await finish(source, { exitClass: 'success', log: 'success', deb })).attemptId);
  }
  const { rows } = await garage.pool.query<{ id: string }>(
    'select distinct attempt_id as id from built_packages where attempt_id = any($1)',
    [attempts],
  );
  expect(rows.map(({ id }) => id).toSorted()).toEqual(attempts.slice(2).toSorted());
});

test('an attempt that was not read at its end is read by the sweep', async () => {
  const source = await acceptSource(garage, name, '1.0', ['amd64']);
  const { attemptId, buildId } = await leave(source, { exitClass: 'package', log: 'pytest' });
  // As an older garage left it.
  await garage.pool.query(
    `update attempts set finished_at = now(), exit_class = 'package', message = 'failed' where id = $1`,
    [attemptId],
  );
  await garage.pool.query(`update builds set status = 'attempted', fail_class = 'package' where id = $1`, [
    buildId,
  ]);
  await syncInstalled(garage);
  expect((await buildReading(garage, buildId))?.facts.failingTestCount).toBe(2);
  const [mail] = await mailsOf(source);
  expect(mail!.body).toContain(
    'Failing tests: tests/test_api.py::test_sum, tests/test_cli.py::test_help[long]',
  );
});
