/**
 * Turns the inside process's own mount namespace into the target: the system at `/`, a small /dev, /proc, and
 * nothing of the host left. pivot_root rather than chroot: packages' scripts run as the namespace's root, and
 * that root could leave a chroot.
 */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runChecked, type RunResult } from '../../../shared/process/run.ts';
import type { TargetSpec } from './frames.ts';
import { HOST_NAME } from './system-files.ts';

/**
 * Named pipe that takes the output of what runs in the target. Node's own pipes are sockets, which cannot be
 * opened by `> /dev/stderr`, and an unnamed pipe only by its maker; builds do that as another user.
 */
export const OUTPUT = '/dev/.output';
const OLD_ROOT = 'dev/.host';
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

function mount(...args: string[]): Promise<RunResult> {
  return runChecked(['mount', ...args]);
}

/** `volatile` leaves out every sync: a target does not outlive a crash. Kernels before 5.10 do not know it. */
export async function mountOverlay(spec: Pick<TargetSpec, 'lower' | 'folder'>, at: string): Promise<void> {
  const { folder, lower } = spec;
  const options = `lowerdir=${lower},upperdir=${folder}/upper,workdir=${folder}/work,userxattr`;
  try {
    await mount('-t', 'overlay', 'overlay', '-o', `${options},volatile`, at);
  } catch {
    await mount('-t', 'overlay', 'overlay', '-o', options, at);
  }
}

async function mountDevices(root: string): Promise<void> {
  const dev = path.join(root, 'dev');
  await mount('-t', 'tmpfs', '-o', 'mode=755,nosuid,size=16m', 'tmpfs', dev);
  for (const name of DEVICES) {
    writeFileSync(path.join(dev, name), '');
    await mount('--bind', `/dev/${name}`, path.join(dev, name));
  }
  for (const name of ['pts', 'shm', '.host']) mkdirSync(path.join(dev, name));
  await mount(
    '-t',
    'devpts',
    '-o',
    'newinstance,nosuid,noexec,gid=5,mode=620,ptmxmode=666',
    'devpts',
    `${dev}/pts`,
  );
  await mount('-t', 'tmpfs', '-o', 'mode=1777,nosuid,nodev', 'tmpfs', `${dev}/shm`);
  await runChecked(['mkfifo', '--mode=622', path.join(root, OUTPUT)]);
  symlinkSync('pts/ptmx', `${dev}/ptmx`);
  symlinkSync('/proc/self/fd', `${dev}/fd`);
  for (const [index, name] of ['stdin', 'stdout', 'stderr'].entries()) {
    symlinkSync(`/proc/self/fd/${index}`, path.join(dev, name));
  }
}

/** Processor and memory layout, read-only; the rest of /sys tells about the host and is left out. */
async function mountSystemDevices(root: string): Promise<void> {
  const from = '/sys/devices/system';
  const to = path.join(root, from);
  if (!existsSync(from)) return;
  mkdirSync(to, { recursive: true });
  try {
    await mount('--bind', from, to);
    await mount('-o', 'remount,bind,ro,nosuid,nodev,noexec', to);
  } catch {
    // Some kernels do not let it; few packages miss it.
  }
}

async function pivot(root: string): Promise<void> {
  process.chdir(root);
  await runChecked(['pivot_root', '.', OLD_ROOT]);
  process.chdir('/');
  await runChecked(['umount', '--lazy', `/${OLD_ROOT}`], { cwd: '/' }); // from here on the target's own programs
}

/** Mounts the target and makes it this process's root. Throws `process-failed` with mount's words. */
export async function enterTarget(spec: TargetSpec): Promise<void> {
  const root = path.join(spec.folder, 'root');
  if (spec.kind === 'overlay') await mountOverlay(spec, root);
  else await mount('--bind', root, root);
  await mountDevices(root);
  await mount('-t', 'proc', '-o', 'nosuid,nodev,noexec', 'proc', path.join(root, 'proc'));
  await mountSystemDevices(root);
  await runChecked(['hostname', HOST_NAME], { okCodes: [0, 1] });
  if (spec.sealed) await runChecked(['ip', 'link', 'set', 'lo', 'up']);
  await pivot(root);
}
