/**
 * Check `piuparts`: Debian's own, within the target, over a copy of the bare base: each package is installed,
 * removed and purged, and must leave the system as it was. It runs as the namespace's root, so it makes no
 * device files of its own; plain files stand in for the few that packages' scripts write to.
 */
import path from 'node:path';
import { runChecked } from '../../../shared/process/run.ts';
import { jobFailure } from '../build/failure.ts';
import { ensureBase } from '../target/base.ts';
import { seedTarget } from '../target/setup.ts';
import { placeFile } from '../target/system-files.ts';
import { USER_NAMESPACE, type Argv } from '../target/userns.ts';
import { indexLocalPackages } from './apt.ts';
import { installable } from './install.ts';
import { CHECK_FOLDER, LOCAL_LIST, pathOf, type CheckRoom, type RoomOptions } from './room.ts';
import { failed, passed, type Verdict } from './verdict.ts';

/** In the target: the system that piuparts copies for each package. */
const CHROOT = '/chroot';
/** 700 MB, a minute on a slow disk. */
const COPY_TIMEOUT_MS = 15 * 60_000;
const DEVICES = ['null', 'zero', 'random', 'urandom'];

/** Puts the bare base there, able to reach the product's queue. */
async function seedChroot(root: string, options: RoomOptions): Promise<void> {
  const { job, attempt, log, signal } = options;
  const { include: _, ...bare } = job.base;
  const base = await ensureBase(bare, { workdir: attempt.workdir, log, signal });
  const chroot = path.join(root, CHROOT);
  try {
    const copy: Argv = [...USER_NAMESPACE, 'cp', '--archive', '--reflink=auto', base.root, chroot];
    await runChecked(copy, { timeoutMs: COPY_TIMEOUT_MS, signal });
  } finally {
    await base.release();
  }
  await seedTarget(chroot, attempt, job);
  await placeFile(
    chroot,
    '/etc/apt/sources.list.d/check.list',
    `deb [trusted=yes] file:${CHECK_FOLDER} ./\n`,
  );
  for (const name of DEVICES) await placeFile(chroot, `/dev/${name}`, '', 0o666);
}

/** `0m8.2s ERROR: FAIL: Package purging left files on system:` and the indented lines after it. */
const FAILURE = /^\S+ ERROR: (FAIL: .*(?:\n {2}.*)*)/gm;
const PASSED = /^\S+ INFO: PASS: All tests/m;

/** The options of the room that {@link checkPiuparts} needs. */
export function withChroot(options: RoomOptions): RoomOptions {
  return { ...options, seed: (root) => seedChroot(root, options) };
}

export async function checkPiuparts(room: CheckRoom, options: RoomOptions): Promise<Verdict> {
  const names = installable(options.job);
  const target = await room.open();
  await indexLocalPackages(target);
  const set: Argv[] = [
    ['cp', '--recursive', `${CHECK_FOLDER}/files`, `${CHROOT}${CHECK_FOLDER}`],
    ['rm', '--force', LOCAL_LIST],
    ['mkdir', `${CHROOT}/dev/pts`, `${CHROOT}/dev/shm`],
    ['ln', '--symbolic', 'pts/ptmx', `${CHROOT}/dev/ptmx`],
    ['ln', '--symbolic', '/proc/self/fd', `${CHROOT}/dev/fd`],
  ];
  for (const argv of set) {
    if ((await target.exec(argv)).code !== 0) throw jobFailure('machine', `${argv[0]} failed`);
  }
  const { code, tail } = await target.exec([
    'piuparts',
    ...[`--existing-chroot=${CHROOT}`, '--tmpdir=/var/tmp', '--keep-sources-list', '--no-eatmydata'],
    ...['--single-packages', '--no-upgrade-test'],
    ...names.map(pathOf),
  ]);
  if (code === 0 && PASSED.test(tail)) {
    return passed(
      names.length === 1 ? 'It leaves nothing behind' : `All ${names.length} leave nothing behind`,
    );
  }
  const lines = [...tail.matchAll(FAILURE)].flatMap(([, text]) => (text ?? '').split('\n'));
  if (lines.length === 0) throw jobFailure('machine', 'piuparts could not do its work; the log says why');
  return failed(lines.slice(0, 2).join(' ').replace('FAIL: ', '').replaceAll(/\s+/g, ' '), lines);
}
