import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseDsc } from '../../../shared/debian/dsc.ts';
import { runChecked } from '../../../shared/process/run.ts';
import { makeTrialPackage } from './trial-package.ts';

test('it is a source package for us and for dpkg, the same each time', async () => {
  const made = await makeTrialPackage();
  expect(await makeTrialPackage()).toEqual(made);
  const dsc = parseDsc(made.files[0]!.bytes.toString('utf8'));
  expect(dsc).toMatchObject({ source: 'autobuilder-trial', architectures: ['any'], buildDepends: '' });
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-trial-'));
  try {
    for (const { name, bytes } of made.files) await writeFile(path.join(folder, name), bytes);
    await runChecked(['dpkg-source', '--extract', made.dsc, 'unpacked'], { cwd: folder });
    await runChecked(['dpkg-buildpackage', '-b', '-us', '-uc', '-d'], { cwd: path.join(folder, 'unpacked') });
    expect(await readFile(path.join(folder, 'unpacked/debian/source/format'), 'utf8')).toBe('3.0 (native)\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
