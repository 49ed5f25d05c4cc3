/** The user namespace that targets and bases live in: root there is the runner's user, the others are subuids. */
import { rm } from 'node:fs/promises';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { runChecked } from '../../../shared/process/run.ts';

export type Argv = [string, ...string[]];

/** util-linux 2.38 or later; one mapping everywhere, so that what one call makes another can remove. */
export const USER_NAMESPACE: Argv = ['unshare', '--map-auto', '--map-root-user'];

/** Removing a target with a large package's build tree takes minutes on a slow disk. */
const REMOVE_TIMEOUT_MS = 30 * 60_000;

/** Prefix that ends a child when the runner is killed without a chance to clean up. */
export function endsWithParent(argv: Argv): Argv {
  return ['setpriv', '--pdeathsig=TERM', '--', ...argv];
}

/** Removes a tree whose files belong to subuids. A missing one is no error. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
    await runChecked([...USER_NAMESPACE, 'rm', '-rf', '--one-file-system', '--', folder], {
      timeoutMs: REMOVE_TIMEOUT_MS,
    });
  }
}
