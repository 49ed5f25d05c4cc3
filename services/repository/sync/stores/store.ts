import { unreachable } from '../../../../shared/errors/app-error.ts';
import type { TargetStore } from '../job.ts';
import type { Target } from '../targets.ts';
import { localStore } from './local.ts';
import { rcloneStore } from './rclone.ts';
import { rsyncStore } from './rsync.ts';

/** The way to a target, by its kind. */
export function storeOf(target: Target, signal?: AbortSignal): TargetStore {
  const { location } = target;
  switch (location.kind) {
    case 'local':
      return target.links ? localStore(target, location.path) : rsyncStore(target, signal);
    case 'ssh':
    case 'rsync':
      return rsyncStore(target, signal);
    case 'rclone':
      return rcloneStore(target, location, signal);
    default:
      return unreachable(location);
  }
}
