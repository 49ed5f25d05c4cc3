/** Live targets with everything filled in, and their rows that garage reads. */
import { transaction, type Pool } from '../../../shared/database/pool.ts';
import type { Home } from '../../../shared/config/home.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { CommonConfig } from '../../../shared/config/common.ts';
import { defaultName, STALL_S, SYNC_TIMEOUT_S, type HookConfig, type TargetConfig } from './config.ts';
import { locationText, parseLocation, type Location } from './location.ts';

/** What a folder of this machine keeps free by default: enough to tell and to repair. */
const LOCAL_MIN_FREE_BYTES = 64 * 1024 ** 2;

export interface Target {
  name: string;
  location: Location;
  /** {@link locationText} */
  text: string;
  queues: readonly string[];
  required: boolean;
  /** Indexes are switched as a whole by a symlink: folders of this machine only. */
  links: boolean;
  snapshots: boolean;
  bandwidthKiB: number | null;
  minFreeBytes: number | null;
  timeoutMs: number;
  stallMs: number;
  identityFile: string | null;
  knownHostsFile: string | null;
  passwordFile: string | null;
  configFile: string | null;
  /** Without a slash at the end. */
  publicUrl: string | null;
  hooks: readonly HookConfig[];
}

interface Configured {
  home: Home;
  common: Pick<CommonConfig, 'queues'>;
  config: { targets?: readonly TargetConfig[] | undefined };
}

/**
 * Where rqp syncs to, in the order of the configuration; default `$AUTOBUILDER_HOME/live` alone. Throws
 * `queue-unknown` for a target that names a queue which is not configured.
 */
export function targetsOf(repository: Configured): Target[] {
  const configured = repository.config.targets ?? [{ path: repository.home.live }];
  const queues = repository.common.queues.map((queue) => queue.name);
  return configured.map((each) => makeTarget(each, queues));
}

/** Of a queue's targets, those that a generation must have reached to be called live: one at least. */
export function requiredTargets(targets: readonly Target[], queue: string): Target[] {
  const own = targets.filter((target) => target.queues.includes(queue));
  const required = own.filter((target) => target.required);
  return required.length > 0 ? required : own.slice(0, 1);
}

function makeTarget(config: TargetConfig, queues: readonly string[]): Target {
  const location: Location =
    config.url === undefined ? { kind: 'local', path: config.path ?? '/' } : parseLocation(config.url);
  const isLocal = location.kind === 'local';
  const unknown = config.queues?.find((queue) => !queues.includes(queue));
  if (unknown !== undefined) {
    const name = config.name ?? defaultName(config);
    throw new AppError(
      'queue-unknown',
      `Target '${name}' takes queue '${unknown}', which is not configured`,
      {
        hint: `Configured are: ${queues.join(', ')}.`,
      },
    );
  }
  return {
    name: config.name ?? defaultName(config),
    location,
    text: locationText(location),
    queues: queues.filter((queue) => config.queues?.includes(queue) ?? true),
    required: config.required ?? isLocal,
    links: isLocal && config.links !== false,
    // A daemon changes symlinks ("munge symlinks"), and object stores have none.
    snapshots: config.snapshots ?? ((isLocal && config.links !== false) || location.kind === 'ssh'),
    bandwidthKiB: config.bandwidthKiB ?? null,
    minFreeBytes: config.minFreeBytes ?? (isLocal ? LOCAL_MIN_FREE_BYTES : null),
    timeoutMs: (config.timeoutS ?? SYNC_TIMEOUT_S) * 1000,
    stallMs: (config.stallS ?? STALL_S) * 1000,
    identityFile: config.identityFile ?? null,
    knownHostsFile: config.knownHostsFile ?? null,
    passwordFile: config.passwordFile ?? null,
    configFile: config.configFile ?? null,
    publicUrl: config.publicUrl?.replace(/\/+$/, '') ?? null,
    hooks: config.hooks ?? [],
  };
}

/** Writes the rows that garage reads, and forgets what the configuration no longer names. */
export async function registerTargets(database: Pool, targets: readonly Target[]): Promise<void> {
  await transaction(database, async (client) => {
    const names = targets.map((target) => target.name);
    await client.query('delete from sync_targets where not name = any($1::text[])', [names]);
    await client.query('delete from sync_states where not target = any($1::text[])', [names]);
    for (const [position, target] of targets.entries()) {
      const { name, location, text, required, publicUrl, queues } = target;
      await client.query(
        `insert into sync_targets (name, position, kind, location, required, public_url, queues)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (name) do update set position = $2, kind = $3, location = $4, required = $5,
                                          public_url = $6, queues = $7`,
        [name, position, location.kind, text, required, publicUrl, queues],
      );
    }
  });
}
