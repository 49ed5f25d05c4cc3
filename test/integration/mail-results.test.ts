/** The one mail that tells how a source ended. */
import { expect, test } from 'vitest';
import { syncInstalled } from '../../services/garage/dispatch/sync-status.ts';
import { acceptSource, buildOf } from './dispatch-support.ts';
import { finish, garage, install, mailsOf, name } from './reading-support.ts';

test('is one for all architectures, when the last is through, to the uploader and the list', async () => {
  const source = await acceptSource(garage, name, '1.0', ['any']);
  await install((await finish(source, { exitClass: 'success', log: 'success' })).buildId);
  await syncInstalled(garage);
  expect(await mailsOf(source)).toEqual([]);
  await finish(source, { exitClass: 'package', log: 'gcc-header', architecture: 'i386' });
  await Promise.all([syncInstalled(garage), syncInstalled(garage)]);
  await syncInstalled(garage);
  const mails = await mailsOf(source);
  expect(mails.map(({ recipient, subject }) => [recipient, subject])).toEqual([
    ['maker@example.org', `${name} 1.0 FAILED to build on i386`],
    ['builds@lists.example.org', `${name} 1.0 FAILED to build on i386`],
  ]);
  const [mail] = mails;
  expect(mail!.body).toMatch(/^amd64: built and published in devel$/m);
  expect(mail!.body).toMatch(/^i386: FAILED in stage build/m);
  expect(mail!.body).toContain('Missing: zlib.h (header)');
  expect(mail!.headers).toMatchObject({
    'X-Debian-Package': name,
    'X-Debian-Version': '1.0',
    'X-Debian-Architecture': 'amd64 i386',
    'X-Autobuilder-Product': 'bookworm',
    'X-Autobuilder-Result': 'failed',
  });
});

test('says what is news: the first failure after a success, failed again, fixed', async () => {
  const told: [string, string, string][] = [];
  const end = async (version: string, exitClass: 'success' | 'package'): Promise<string> => {
    const source = await acceptSource(garage, name, version, ['amd64']);
    const log = exitClass === 'success' ? 'success' : 'ninja';
    const { buildId } = await finish(source, { exitClass, log });
    if (exitClass === 'success') await install(buildId);
    await syncInstalled(garage);
    const [mail] = await mailsOf(source);
    told.push([version, mail!.subject.replace(name, 'x'), mail!.headers['X-Autobuilder-Result'] ?? '']);
    return mail!.reference_id;
  };
  const threads = [
    await end('1.0', 'success'),
    await end('1.1', 'package'),
    await end('1.2', 'package'),
    await end('1.3', 'success'),
    await end('1.4', 'success'),
  ];
  expect(told).toEqual([
    ['1.0', 'Accepted x 1.0 (amd64) into devel', 'success'],
    ['1.1', 'x 1.1 FAILED to build on amd64 [first failure since 1.0]', 'first-failure'],
    ['1.2', 'x 1.2 FAILED to build on amd64 [FAILED again]', 'failed-again'],
    ['1.3', 'Accepted x 1.3 (amd64) into devel [FIXED]', 'fixed'],
    ['1.4', 'Accepted x 1.4 (amd64) into devel', 'success'],
  ]);
  expect(new Set(threads).size).toBe(1);
});

test('a retry that ends well is another end, and is told as fixed', async () => {
  const source = await acceptSource(garage, name, '1.0', ['amd64']);
  await finish(source, { exitClass: 'package', log: 'ninja' });
  await syncInstalled(garage);
  await install((await finish(source, { exitClass: 'success', log: 'success' })).buildId);
  await syncInstalled(garage);
  expect((await mailsOf(source)).map(({ subject, recipient }) => [recipient, subject])).toEqual([
    ['maker@example.org', `${name} 1.0 FAILED to build on amd64`],
    ['builds@lists.example.org', `${name} 1.0 FAILED to build on amd64`],
    ['maker@example.org', `Accepted ${name} 1.0 (amd64) into devel [FIXED]`],
    ['builds@lists.example.org', `Accepted ${name} 1.0 (amd64) into devel [FIXED]`],
  ]);
});

test('a source whose build is still open is not told of', async () => {
  const source = await acceptSource(garage, name, '1.0', ['any']);
  await finish(source, { exitClass: 'package', log: 'ninja' });
  await syncInstalled(garage);
  expect((await buildOf(garage, source)).status).toBe('attempted');
  expect(await mailsOf(source)).toEqual([]);
});

test('a build that waits for the same packages again is no news, for others it is', async () => {
  const source = await acceptSource(garage, name, '1.0', ['amd64']);
  for (const missing of [['libfoo-dev'], ['libfoo-dev'], ['libbar-dev']]) {
    await finish(source, { exitClass: 'dep-wait', log: 'ninja', missing });
    await syncInstalled(garage);
  }
  const told = (await mailsOf(source)).filter(({ recipient }) => recipient === 'maker@example.org');
  expect(told).toHaveLength(2);
  expect(told.map(({ body }) => /lib(foo|bar)-dev/.exec(body)?.[0])).toEqual(['libfoo-dev', 'libbar-dev']);
});
