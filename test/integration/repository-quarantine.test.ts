import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChecked } from '../../shared/process/run.ts';
import {
  handOver,
  listFiles,
  makeSet,
  openTestRepository,
  writeManifest,
  type MadeSet,
  type PackageOptions,
} from './repository-support.ts';

const repository = await openTestRepository();
beforeAll(() => repository.sweep());
afterAll(() => repository.dispose());

const incoming = path.join(repository.home.repositoryIncoming, 'devel/bookworm');
const quarantine = path.join(repository.home.repository, 'quarantine');

interface Fate {
  status: string;
  code: string | null;
  reason: string | null;
}

async function fateOf(id: string): Promise<Fate | undefined> {
  const { rows } = await repository.pool.query<Fate>(
    'select status, reason_code as code, reason from sets where id = $1',
    [id],
  );
  return rows[0];
}

/** Hands the set over beside a good one and sweeps. */
async function fateBesideGood(set: MadeSet): Promise<Fate | undefined> {
  const good = await handOver(repository, await makeSet(repository, { source: `good-${set.manifest.id}` }));
  const id = await handOver(repository, set);
  await repository.sweep();
  expect((await fateOf(good))?.status).toBe('installed');
  expect(await readdir(incoming)).toEqual([]);
  return fateOf(id);
}

interface BadSet {
  what: string;
  code: string;
  options?: PackageOptions;
  spoil?: (set: MadeSet) => Promise<void>;
}

const deb = (set: MadeSet): string =>
  set.manifest.files.find((file) => file.name.endsWith('.deb'))?.name ?? '';

/** Rewrites the manifest so that it agrees with what is in the folder. */
async function relist(set: MadeSet): Promise<void> {
  set.manifest.files = await listFiles(set.folder);
  await writeManifest(set);
}

const BAD_SETS: BadSet[] = [
  {
    what: 'no manifest',
    code: 'manifest-missing',
    spoil: (set) => rm(path.join(set.folder, 'manifest.json')),
  },
  {
    what: 'a manifest that is a symlink',
    code: 'manifest-missing',
    spoil: async (set) => {
      await rm(path.join(set.folder, 'manifest.json'));
      await symlink('/etc/hostname', path.join(set.folder, 'manifest.json'));
    },
  },
  {
    what: 'a manifest with an unknown key',
    code: 'manifest-invalid',
    spoil: (set) =>
      writeFile(path.join(set.folder, 'manifest.json'), JSON.stringify({ ...set.manifest, extra: 1 })),
  },
  {
    what: 'a manifest with a character that no database takes',
    code: 'manifest-invalid',
    spoil: async (set) => {
      set.manifest.provenance.host = 'builder\0';
      await writeManifest(set);
    },
  },
  {
    what: 'a file that is not listed',
    code: 'set-file-unexpected',
    spoil: (set) => writeFile(path.join(set.folder, 'extra'), ''),
  },
  {
    what: 'a listed file of no known kind',
    code: 'set-file-unexpected',
    spoil: async (set) => {
      await writeFile(path.join(set.folder, 'setup.sh'), 'true');
      await relist(set);
    },
  },
  {
    what: 'a missing file',
    code: 'set-file-missing',
    spoil: (set) => rm(path.join(set.folder, deb(set))),
  },
  {
    what: 'a symlink to a file with the right content',
    code: 'set-file-not-regular',
    spoil: async (set) => {
      const name = path.join(set.folder, deb(set));
      const moved = `${set.folder}.deb`;
      await writeFile(moved, await readFile(name));
      await rm(name);
      await symlink(moved, name);
    },
  },
  {
    what: 'a folder inside',
    code: 'set-file-not-regular',
    spoil: async (set) => {
      await mkdir(path.join(set.folder, 'inner'));
    },
  },
  {
    what: 'another size than listed',
    code: 'set-file-size',
    spoil: (set) => truncate(path.join(set.folder, deb(set)), 10),
  },
  {
    what: 'another content of the same size',
    code: 'set-file-sum',
    spoil: async (set) => {
      const name = path.join(set.folder, deb(set));
      const bytes = await readFile(name);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(name, bytes);
    },
  },
  {
    what: 'a .deb that is none',
    code: 'deb-invalid',
    spoil: async (set) => {
      await writeFile(path.join(set.folder, deb(set)), 'not a package');
      await relist(set);
    },
  },
  {
    what: 'a .dsc that is none',
    code: 'deb822-invalid',
    spoil: async (set) => {
      await writeFile(path.join(set.folder, set.manifest.dsc), 'not a source\n');
      await relist(set);
    },
  },
  {
    what: 'a source file that the .dsc lists otherwise',
    code: 'dsc-file-sum',
    spoil: async (set) => {
      const name = path.join(set.folder, `${set.manifest.source}_1.0.tar.xz`);
      const bytes = await readFile(name);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(name, bytes);
      await relist(set);
    },
  },
  {
    what: 'a source file that is missing',
    code: 'dsc-file-missing',
    spoil: async (set) => {
      await rm(path.join(set.folder, `${set.manifest.source}_1.0.tar.xz`));
      await relist(set);
    },
  },
  {
    what: 'a manifest of another version',
    code: 'dsc-disagrees',
    spoil: async (set) => {
      set.manifest.sourceVersion = '1.1';
      await writeManifest(set);
    },
  },
  {
    what: 'a binary of another architecture',
    code: 'deb-architecture-disagrees',
    options: { binaries: [{ name: 'hello', architecture: 'i386' }] },
  },
  {
    what: 'a binary under another name',
    code: 'deb-name-disagrees',
    spoil: async (set) => {
      const name = path.join(set.folder, deb(set));
      await runChecked(['mv', name, path.join(set.folder, 'bash_99_amd64.deb')]);
      await relist(set);
    },
  },
  {
    what: "another source's binary",
    code: 'deb-source-disagrees',
    spoil: async (set) => {
      const other = await makeSet(repository, { source: 'other' });
      await runChecked(['cp', path.join(other.folder, deb(other)), set.folder]);
      await relist(set);
    },
  },
  { what: 'an unknown component', code: 'component-unknown', options: { component: 'contrib' } },
  { what: 'an unknown architecture', code: 'architecture-unknown', options: { architecture: 'mips' } },
  {
    what: 'a manifest for another queue',
    code: 'set-misplaced',
    spoil: async (set) => {
      await writeFile(
        path.join(set.folder, 'manifest.json'),
        JSON.stringify({ ...set.manifest, queue: 'stable' }),
      );
    },
  },
];

describe('bad sets go to quarantine with a reason, and the good one among them is published', () => {
  const made = new Map<string, MadeSet>();
  let good = '';

  beforeAll(async () => {
    for (const { what, options, spoil } of BAD_SETS) {
      const set = await makeSet(repository, { source: 'bad', ...options });
      await spoil?.(set);
      made.set(what, set);
      await handOver(repository, set);
    }
    good = await handOver(repository, await makeSet(repository, { source: 'good' }));
    await repository.sweep();
  });

  test.each(BAD_SETS)('$what: $code', async ({ what, code }) => {
    const id = made.get(what)?.manifest.id ?? '';
    const fate = await fateOf(id);
    expect(fate).toMatchObject({ status: 'quarantined', code });
    const reason = await readFile(path.join(quarantine, id, 'REASON'), 'utf8');
    expect(reason).toContain(fate?.reason);
    expect(reason).toContain(`Code: ${code}`);
  });

  test('nothing of them is in the pool, and incoming is empty', async () => {
    expect((await fateOf(good))?.status).toBe('installed');
    expect(await readdir(incoming)).toEqual([]);
    const { rows } = await repository.pool.query('select distinct source from packages');
    expect(rows).toEqual([{ source: 'good' }]);
  });
});

test('a name that is no id, and a plain file, get a record and a place of their own', async () => {
  await handOver(repository, await makeSet(repository), 'not-an-id');
  await writeFile(path.join(incoming, 'plain-file'), 'x');
  await repository.sweep();
  const { rows } = await repository.pool.query<{ id: string; code: string }>(
    `select id, reason_code as code from sets
      where reason_code in ('set-misplaced', 'set-not-a-folder') order by finished_at desc limit 2`,
  );
  expect(rows.map((row) => row.code).toSorted()).toEqual(['set-misplaced', 'set-not-a-folder']);
  for (const { id } of rows) expect(await readdir(path.join(quarantine, id))).toContain('REASON');
});

test('an older version is refused in the words people search for', async () => {
  await fateBesideGood(await makeSet(repository, { source: 'aged', version: '2.0' }));
  const fate = await fateBesideGood(await makeSet(repository, { source: 'aged', version: '2.0~rc1' }));
  expect(fate).toEqual({
    status: 'quarantined',
    code: 'version-check-failed',
    reason:
      'Version check failed: Your upload included the source package aged, version 2.0~rc1, however devel already has version 2.0. Uploads to devel must have a higher version than present in devel.',
  });
});

test('another content under a published name is refused for ever', async () => {
  await fateBesideGood(await makeSet(repository, { source: 'fixed' }));
  const fate = await fateBesideGood(await makeSet(repository, { source: 'fixed', content: 'another' }));
  expect(fate).toEqual({
    status: 'quarantined',
    code: 'file-exists',
    reason:
      'File fixed_1.0_amd64.deb already exists in bookworm, but uploaded version has different contents.',
  });
});

test('a binary belongs to the source that brought it, until a newer one no longer builds it', async () => {
  const both = [
    { name: 'keeper', architecture: 'amd64' },
    { name: 'keeper-tools', architecture: 'amd64' },
  ];
  await fateBesideGood(await makeSet(repository, { source: 'keeper', binaries: both }));
  const wanted = {
    source: 'taker',
    binaries: [{ name: 'keeper-tools', architecture: 'amd64', version: '9.0' }],
  };
  expect(await fateBesideGood(await makeSet(repository, { ...wanted, version: '9.0' }))).toEqual({
    status: 'quarantined',
    code: 'binary-taken',
    reason: 'Binary package keeper-tools belongs to source keeper in devel.',
  });
  const without = { source: 'keeper', version: '2.0', binaries: [{ name: 'keeper', architecture: 'amd64' }] };
  expect(await fateBesideGood(await makeSet(repository, without))).toMatchObject({ status: 'installed' });
  const again = { ...wanted, version: '9.1', binaries: [{ ...wanted.binaries[0]!, version: '9.1' }] };
  expect(await fateBesideGood(await makeSet(repository, again))).toMatchObject({ status: 'installed' });
});

const contested = (version: string) => ({ name: 'contested', architecture: 'amd64', version });

test('of two sources that bring one binary in the same sweep, one gets it', async () => {
  const first = await handOver(
    repository,
    await makeSet(repository, { source: 'claim-a', version: '1.0', binaries: [contested('1.0')] }),
  );
  const second = await makeSet(repository, {
    source: 'claim-b',
    version: '2.0',
    binaries: [contested('2.0')],
  });
  expect(await fateBesideGood(second)).toMatchObject({ status: 'quarantined', code: 'binary-taken' });
  const { rows } = await repository.pool.query('select status from sets where id = $1', [first]);
  expect(rows).toEqual([{ status: 'installed' }]);
});

test('the same name from another source is refused', async () => {
  await fateBesideGood(await makeSet(repository, { source: 'owner' }));
  const thief = await makeSet(repository, {
    source: 'thief',
    binaries: [{ name: 'owner', architecture: 'amd64' }],
  });
  expect(await fateBesideGood(thief)).toMatchObject({ status: 'quarantined', code: 'file-exists' });
});

test('the same set handed over twice is taken once; a refused one again is kept beside the first', async () => {
  const set = await makeSet(repository, { source: 'twice' });
  await runChecked(['cp', '-r', set.folder, `${set.folder}.copy`]);
  await fateBesideGood(set);
  await handOver(repository, { ...set, folder: `${set.folder}.copy` });
  await repository.sweep();
  expect((await fateOf(set.manifest.id))?.status).toBe('installed');

  const bad = await makeSet(repository, { source: 'twice', architecture: 'mips' });
  await runChecked(['cp', '-r', bad.folder, `${bad.folder}.copy`]);
  await fateBesideGood(bad);
  await handOver(repository, { ...bad, folder: `${bad.folder}.copy` });
  await repository.sweep();
  expect(await readdir(quarantine)).toEqual(
    expect.arrayContaining([bad.manifest.id, `${bad.manifest.id}.2`]),
  );
});

test('an error of ours leaves the set for the next sweep', async () => {
  const id = await handOver(repository, await makeSet(repository, { source: 'patient' }));
  repository.crashAfter('set-claimed');
  await repository.sweep();
  expect((await fateOf(id))?.status).toBe('incoming');
  await repository.sweep();
  expect((await fateOf(id))?.status).toBe('installed');
});
