/** The user namespace that targets and bases live in: root there is the runner's user, the others are subuids. */
import { rm } from 'node:fs/promises';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { runChecked } from '../../../shared/process/run.ts';

export type Argv = [string, ...string[]];

/** util-linux 2.38 or later; one mapping everywhere, so that what one call makes another can remove. */
export const USER_NAMESPACE: Argv = ['unshare', '--map-auto', '--map-root-user'];

/** Removing a target with a large package's build tree takes minutes on a slow disk. */
const REMOVE_TIMEOUT_MS = 30 * 60_000;

/**
 * Waits for the program, and passes TERM on to the whole process group: mmdebstrap and sbuild themselves leave
 * it to their children to end.
 */
const GUARD =
  'my $child = fork() // exit 127; if (!$child) { exec @ARGV or exit 127 } ' +
  '$SIG{TERM} = sub { $SIG{TERM} = "IGNORE"; kill "TERM", -getpgrp() }; ' +
  'while ((my $pid = wait()) != $child) { exit 1 if $pid == -1 && !$!{EINTR} } ' +
  'exit($? & 127 ? 128 + ($? & 127) : $? >> 8)';

/**
 * The argv with what ends it, and its group, when the runner is killed without a chance to clean up. For
 * programs that run as leaders of their group.
 */
export function endsWithParent(argv: Argv): Argv {
  return ['setpriv', '--pdeathsig=TERM', '--', 'perl', '-e', GUARD, '--', ...argv];
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
