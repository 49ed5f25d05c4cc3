/** Clean targets for a check, one after another: the packages and the source lie in each. */
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { CheckJob } from '../../../shared/protocol/job.ts';
import type { DriverContext } from '../target/driver.ts';
import { seedTarget } from '../target/setup.ts';
import { placeFile } from '../target/system-files.ts';
import { Target } from '../target/target.ts';

/** In the target. */
export const CHECK_FOLDER = '/check';
/** A source list of what lies in the target, for apt once it has an index (apt.ts). */
export const LOCAL_LIST = `${CHECK_FOLDER}/local.list`;

export interface RoomOptions extends DriverContext {
  job: CheckJob;
  driverName: 'overlay' | 'sbuild';
  /** Host folders by the name they get in {@link CHECK_FOLDER}: their plain files are put in. */
  more?: Record<string, { folder: string; names: string[] }>;
  /** Puts in what else is needed, before the target starts. */
  seed?: (root: string) => Promise<void>;
}

export class CheckRoom {
  readonly #options: RoomOptions;
  #target: Target | null = null;

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /** A fresh target; the one before is gone. Throws `job-machine`. */
  async open(): Promise<Target> {
    await this.close();
    const { attempt, base, log, signal, job, driverName } = this.#options;
    this.#target = await Target.open({
      ...{ base, log, signal },
      folder: attempt.target,
      kind: driverName === 'overlay' ? 'overlay' : 'copy',
      seed: async (root) => {
        await seedTarget(root, attempt, job);
        await this.#seed(root);
        await this.#options.seed?.(root);
      },
    });
    return this.#target;
  }

  async close(): Promise<void> {
    await this.#target?.remove();
    this.#target = null;
  }

  async #seed(root: string): Promise<void> {
    const { attempt, job, more = {} } = this.#options;
    const names = job.files.map((file) => file.name);
    const folders = { files: { folder: attempt.source, names }, ...more };
    for (const [name, from] of Object.entries(folders)) {
      const to = path.join(root, CHECK_FOLDER, name);
      await mkdir(to, { recursive: true });
      for (const file of from.names) {
        await copyFile(path.join(from.folder, file), path.join(to, file));
        await chmod(path.join(to, file), 0o644);
      }
    }
    await placeFile(root, LOCAL_LIST, `deb [trusted=yes] file:${CHECK_FOLDER}/files ./\n`);
  }
}

/** Path in the target of one of the job's files. */
export function pathOf(name: string): string {
  return `${CHECK_FOLDER}/files/${name}`;
}
