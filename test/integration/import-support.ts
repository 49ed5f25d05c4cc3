/** What tests of imports share: packages in folders, a run of the import, what the queue holds after it. */
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { afterAll } from 'vitest';
import { openSource, type SourceOptions } from '../../services/repository/import/open-source.ts';
import {
  importRepository,
  type ImportOptions,
  type ImportReport,
} from '../../services/repository/import/run.ts';
import {
  makeSet,
  openTestRepository,
  type PackageOptions,
  type TestRepository,
} from './repository-support.ts';

type Kind = Parameters<typeof openSource>[0];
const opened: TestRepository[] = [];
afterAll(async () => {
  for (const repository of opened) await repository.dispose();
});

/** Disposed of after the file's tests. */
export async function freshRepository(): Promise<TestRepository> {
  const repository = await openTestRepository();
  opened.push(repository);
  await repository.sweep();
  return repository;
}

/** The packages of a set, without its manifest, in `folder`. */
export async function addPackages(
  repository: TestRepository,
  folder: string,
  options: PackageOptions,
): Promise<void> {
  const set = await makeSet(repository, options);
  await mkdir(folder, { recursive: true });
  for (const { name } of set.manifest.files)
    await rename(path.join(set.folder, name), path.join(folder, name));
}

/** Runs the import into devel, unless told otherwise. */
export async function bring(
  repository: TestRepository,
  [kind, root, source = {}]: [Kind, string, SourceOptions?],
  options: Partial<ImportOptions> = {},
): Promise<ImportReport> {
  return importRepository(repository, await openSource(kind, root, source), {
    ...{ queue: 'devel', product: 'bookworm', who: null, mode: 'auto', dryRun: false },
    ...options,
  });
}

/** What the queue holds: `name version architecture component`. */
export async function held(repository: TestRepository, queue = 'devel'): Promise<string[]> {
  const { rows } = await repository.pool.query<{ line: string }>(
    `select concat_ws(' ', p.name, p.version, p.architecture, p.component) as line
       from members m join packages p on p.id = m.package_id where m.queue = $1 order by line`,
    [queue],
  );
  return rows.map((row) => row.line);
}

/** `name: code` of what was not taken, by path. */
export const codes = (report: ImportReport): string[] =>
  report.problems.map(({ code, path: file }) => `${path.basename(file)}: ${code}`);
