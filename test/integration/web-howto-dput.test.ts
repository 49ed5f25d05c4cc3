/** The stanza that pages show, used by Debian's own dput; a recorder stands where it calls scp. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { uploadHowto } from '../../services/garage/howto/upload.ts';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'web-howto-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

/** The smallest set that dput takes. */
async function writeSet(): Promise<string> {
  const dsc = 'Format: 1.0\nSource: a\nVersion: 1\n';
  const md5 = createHash('md5').update(dsc).digest('hex');
  const changes = [
    ...['Format: 1.8', 'Source: a', 'Version: 1', 'Architecture: source', 'Distribution: bookworm'],
    ...['Files:', ` ${md5} ${String(dsc.length)} misc optional a_1.dsc`, ''],
  ].join('\n');
  for (const [name, content] of [
    ['a_1.dsc', dsc],
    ['a_1_source.changes', changes],
  ] as const) {
    await writeFile(at(name), content);
    await chmod(at(name), 0o644);
  }
  return at('a_1_source.changes');
}

test.skipIf(!existsSync('/usr/bin/dput'))('dput hands scp the login, the folder and the port', async () => {
  const how = {
    site: 'Autobuilder',
    host: 'drop.example.org',
    port: 2222,
    product: 'bookworm',
    login: 'maker',
  };
  const stanza = uploadHowto(how).find(({ id }) => id === 'dput');
  await writeFile(at('dput.cf'), `${stanza?.text ?? ''}\n`);
  await writeFile(at('scp'), `#!/bin/sh\nprintf '%s\\n' "$@" > ${at('called')}\n`, { mode: 0o755 });
  const changes = await writeSet();
  const env = minimalEnvironment({ HOME: folder, USER: 'somebody' });
  await runChecked(['dput', '-c', at('dput.cf'), '-u', 'autobuilder-bookworm', changes], {
    env: { ...env, PATH: `${folder}:${env['PATH'] ?? ''}` },
  });
  const called = (await readFile(at('called'), 'utf8')).trim().split('\n');
  expect(called).toEqual([
    ...['-p', '-o', 'Port 2222', at('a_1.dsc'), changes, 'maker@drop.example.org:/bookworm/'],
  ]);
  // What OpenSSH makes of it.
  const { stdout } = await runChecked(['ssh', '-G', '-o', 'Port 2222', 'maker@drop.example.org'], { env });
  expect(stdout.toString()).toMatch(/^user maker$/m);
  expect(stdout.toString()).toMatch(/^port 2222$/m);
});
