/** A mirror of a small archive: definition, update, and what it holds. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { readKeyring } from '../../shared/openpgp/keyring.ts';
import { mirrorSettings, type MirrorSettings } from '../../services/repository/mirror/definition.ts';
import { insertMirror, requireMirror, type MirrorRow } from '../../services/repository/mirror/rows.ts';
import { removeMirror, updateMirror } from '../../services/repository/mirror/run.ts';
import type { UpdateOptions, UpdateReport } from '../../services/repository/mirror/update.ts';
import type { Repository } from '../../services/repository/context.ts';
import { MirrorArchive, serveArchive, visibleFiles, type ArchiveServer } from '../support/mirror-archive.ts';
import { openTestRepository, type TestRepository } from './repository-support.ts';

/** Adds a mirror named `up` of `stable`. */
export async function addMirror(
  repository: Repository,
  archive: MirrorArchive,
  url: string,
  settings: Partial<MirrorSettings> = {},
  more: { name?: string; suites?: string[] } = {},
): Promise<void> {
  await insertMirror(repository.pool, {
    ...{ name: more.name ?? 'up', url, suites: more.suites ?? ['stable'] },
    settings: mirrorSettings.parse(settings),
    keys: await readKeyring(archive.key.binaryPublic, 'the key'),
  });
}

/** Retries do not wait. */
export function update(
  repository: Repository,
  options: UpdateOptions = {},
  name = 'up',
): Promise<UpdateReport> {
  return updateMirror(repository, name, { retryFirstMs: 1, ...options });
}

export function mirrorRoot(repository: Repository, name = 'up'): string {
  return path.join(repository.home.mirrors, name);
}

/** Pool files of the mirror. */
export async function poolOf(repository: Repository, name = 'up'): Promise<string[]> {
  return (await visibleFiles(mirrorRoot(repository, name))).filter((file) => file.startsWith('pool/'));
}

/** Everything that clients see, by path, as text of its bytes: to compare two states. */
export async function stateOf(repository: Repository, name = 'up'): Promise<Record<string, string>> {
  const root = mirrorRoot(repository, name);
  const files = await visibleFiles(root);
  const contents = await Promise.all(files.map((file) => readFile(path.join(root, file), 'latin1')));
  return Object.fromEntries(files.map((file, at) => [file, contents[at] ?? '']));
}

export const HELLO = 'pool/main/h/hello/hello_1.0_amd64.deb';
export const LIBHELLO = 'pool/main/l/libhello/libhello_1.0_all.deb';

/** A repository for a file, and an archive of `hello`, `libhello` and a source behind a server for each test. */
export class MirrorBench {
  repository!: TestRepository;
  archive!: MirrorArchive;
  server!: ArchiveServer;
  #prototype!: MirrorArchive;
  #count = 0;

  /** Registers what is done before and after. */
  constructor() {
    beforeAll(async () => {
      this.repository = await openTestRepository();
      this.#prototype = await MirrorArchive.make(this.at('prototype'));
      await this.#prototype.add({ name: 'hello', depends: 'libhello' });
      await this.#prototype.add({ name: 'libhello', architecture: 'all' });
      await this.#prototype.addSource('hello');
      await this.#prototype.publish();
    });
    afterAll(() => this.repository.dispose());
    beforeEach(async () => {
      this.#count += 1;
      this.archive = await this.#prototype.copy(this.at(`archive-${String(this.#count)}`));
      this.server = await serveArchive(this.archive.root);
    });
    afterEach(async () => {
      this.repository.setClock(null);
      await removeMirror(this.repository, 'up', { keepFiles: false }).catch(() => undefined);
      await this.server.close();
    });
  }

  at(name: string): string {
    return path.join(this.repository.home.root, name);
  }

  add(settings: Partial<MirrorSettings> = {}): Promise<void> {
    return addMirror(this.repository, this.archive, this.server.url, settings);
  }

  update(options: UpdateOptions = {}): Promise<UpdateReport> {
    return update(this.repository, options);
  }

  mirror(): Promise<MirrorRow> {
    return requireMirror(this.repository.pool, 'up');
  }

  pool(): Promise<string[]> {
    return poolOf(this.repository);
  }

  state(): Promise<Record<string, string>> {
    return stateOf(this.repository);
  }

  /** Of a file in the mirror. */
  file(name: string): string {
    return path.join(mirrorRoot(this.repository), name);
  }

  /** Requests since the last call. */
  asked(): string[] {
    return this.server.requests.splice(0);
  }
}
