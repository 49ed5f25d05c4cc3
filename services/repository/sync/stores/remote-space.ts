/** Free space behind SSH, for targets that name what must stay free: needs df(1) there, and a shell. */
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Location } from '../location.ts';
import type { Target } from '../targets.ts';
import { runBound } from './child.ts';
import { syncFailure } from './failure.ts';
import { sshOptions } from './ssh-options.ts';

const DF_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_S = 20;

/** Throws `target-full`, or `target-space-unknown` when it cannot be told. */
export async function checkSpace(
  target: Target,
  location: Extract<Location, { kind: 'ssh' }>,
  signal?: AbortSignal,
): Promise<void> {
  if (target.minFreeBytes === null) return;
  const host = location.host.replaceAll(/[[\]]/g, '');
  const login = location.user === null ? [] : ['-l', location.user];
  // The path holds nothing that the shell there gives a meaning: location.ts.
  const command = ['--', host, 'df', '-Pk', location.path];
  const result = await runBound(
    ['ssh', ...sshOptions(target, location.port, CONNECT_TIMEOUT_S), ...login, ...command],
    { timeoutMs: DF_TIMEOUT_MS, ...(signal ? { signal } : {}) },
  );
  if (result.code === 255 || result.endedBy !== null) throw syncFailure('ssh', result, target);
  const free = Number(/\n\S+ +\d+ +\d+ +(\d+) /.exec(result.stdout.toString('utf8'))?.[1] ?? Number.NaN);
  if (result.code !== 0 || Number.isNaN(free)) {
    throw new AppError('target-space-unknown', `${target.text} does not tell its free space`, {
      hint: 'minFreeBytes needs an account that may run df; without it, a full disk is seen when it is full.',
    });
  }
  if (free * 1024 >= target.minFreeBytes) return;
  const message = `${String(free * 1024)} bytes are free, ${String(target.minFreeBytes)} must stay free`;
  throw new AppError('target-full', `The disk of ${target.text} is full: ${message}`, {
    hint: 'Free space there, or lower minFreeBytes of this target.',
  });
}
