/** Live targets in section `repository`. */
import { z } from 'zod';
import { readableFile, secretFile } from '../../../shared/config/fields.ts';
import { queueName } from '../../../shared/protocol/names.ts';
import { LOCATION_FORMS, parseLocation, type Location } from './location.ts';

/** Given to rsync's -e, which splits at spaces. */
const PLAIN_PATH = /^[A-Za-z0-9_./+@-]+$/;

/** A hook that takes longer should only start something. */
export const HOOK_TIMEOUT_S = 60;
/** The first sync of a big pool to a slow place. */
export const SYNC_TIMEOUT_S = 2 * 3600;
/** Longer than a busy disk is silent, shorter than anyone waits for a mirror. */
export const STALL_S = 120;

const hookCommon = {
  /** Default: all that the target has. */
  queues: z.array(queueName).min(1).optional(),
  /** Default: {@link HOOK_TIMEOUT_S}. */
  timeoutS: z.number().positive().max(3600).optional(),
};

/** What is called after a sync, docs/sync.md; one of the two. */
const publishHook = z
  .strictObject({
    ...hookCommon,
    /** Run without a shell; facts in the environment, and as JSON on standard input. */
    command: z.array(z.string().min(1)).min(1).optional(),
    /** Gets a POST of JSON. */
    url: z.url({ protocol: /^https?$/ }).optional(),
    /** Signs the body, HMAC-SHA256. */
    secretFile: secretFile.optional(),
  })
  .superRefine((hook, context) => {
    if ((hook.command === undefined) === (hook.url === undefined))
      context.addIssue({ code: 'custom', message: 'a hook has either command or url' });
    if (hook.secretFile !== undefined && hook.url === undefined)
      context.addIssue({ code: 'custom', path: ['secretFile'], message: 'is for a hook with a url' });
  });
export type HookConfig = z.infer<typeof publishHook>;

/** A place that rqp syncs to. */
export const liveTarget = z
  .strictObject({
    /** In status, metrics and commands. Default: from the path or the host. */
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'lower-case letters, digits, . and -')
      .optional(),
    /** A folder of this machine. */
    path: z.string().startsWith('/', 'must be an absolute path').optional(),
    /** Anything else. */
    url: z
      .string()
      .refine((url) => isLocation(url), LOCATION_FORMS)
      .optional(),
    /** Default: all. */
    queues: z.array(queueName).min(1).optional(),
    /** A generation is live when every required target has it. Default: folders of this machine are. */
    required: z.boolean().optional(),
    /** A folder's indexes are switched by one rename of a symlink; false where links cannot be. */
    links: z.boolean().optional(),
    /** Snapshots too. Default: where symlinks work, in folders of this machine and over SSH. */
    snapshots: z.boolean().optional(),
    bandwidthKiB: z.number().int().positive().optional(),
    /** Left free there. Default for a folder: 64 MiB; elsewhere it is not looked at. */
    minFreeBytes: z.number().int().nonnegative().optional(),
    /** One step of a sync may take so long. Default: {@link SYNC_TIMEOUT_S}. */
    timeoutS: z.number().positive().optional(),
    /** A target that moves no byte for so long has stalled. Default: {@link STALL_S}. */
    stallS: z.number().int().positive().max(3600).optional(),
    identityFile: secretFile.regex(PLAIN_PATH, 'letters, digits and . _ + @ - only').optional(),
    knownHostsFile: readableFile.regex(PLAIN_PATH, 'letters, digits and . _ + @ - only').optional(),
    /** Of a daemon that asks for one; mode 0600. */
    passwordFile: secretFile.optional(),
    /** rclone.conf. */
    configFile: secretFile.optional(),
    /** Where clients find this target: for the lists that clients fetch by, in the order of the targets. */
    publicUrl: z.url({ protocol: /^https?$/ }).optional(),
    hooks: z.array(publishHook).max(8).optional(),
  })
  .superRefine((target, context) => {
    const say = (key: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message });
    if ((target.path === undefined) === (target.url === undefined)) {
      context.addIssue({ code: 'custom', message: 'a target has either path or url' });
      return;
    }
    const kind = target.url === undefined ? 'local' : kindOf(target.url);
    for (const [key, kinds] of Object.entries(ONLY_FOR)) {
      if (target[key as keyof typeof ONLY_FOR] !== undefined && !kinds.includes(kind))
        say(key, `is for ${kinds.map((each) => WORDS[each]).join(' and ')} only`);
    }
    if (kind === 'local' && target.links !== false && target.bandwidthKiB !== undefined)
      say('bandwidthKiB', 'a folder is linked, not copied; with links: false it is copied and can be slowed');
  });
export type TargetConfig = z.infer<typeof liveTarget>;

/** All of them; no two may have one name. */
export const liveTargets = z
  .array(liveTarget)
  .min(1)
  .superRefine((targets, context) => {
    const names = targets.map((target) => target.name ?? defaultName(target));
    names.forEach((name, index) => {
      if (names.indexOf(name) < index) {
        const message = `another target is called '${name}' too; give each a name`;
        context.addIssue({ code: 'custom', path: [index], message });
      }
    });
  });

const WORDS: Record<Location['kind'], string> = {
  local: 'a path',
  ssh: 'ssh://',
  rsync: 'rsync://',
  rclone: 'rclone:',
};
const ONLY_FOR: Partial<Record<keyof z.infer<typeof liveTarget>, Location['kind'][]>> = {
  identityFile: ['ssh'],
  knownHostsFile: ['ssh'],
  passwordFile: ['rsync'],
  configFile: ['rclone'],
  // A daemon has no way to tell.
  minFreeBytes: ['local', 'ssh', 'rclone'],
};

/** What a target without a name is called. */
export function defaultName(target: { path?: string | undefined; url?: string | undefined }): string {
  if (target.url === undefined) return slug((target.path ?? '').split('/').findLast(Boolean) ?? 'live');
  if (!isLocation(target.url)) return 'target';
  const location = parseLocation(target.url);
  if (location.kind === 'ssh') return slug(location.host);
  if (location.kind === 'rclone') return slug(location.remote);
  return slug(new URL(target.url.replace(/^rsync:/, 'http:')).hostname);
}

function slug(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[.-]+|[.-]+$/g, '');
  return name === '' ? 'live' : name.slice(0, 63);
}

function isLocation(url: string): boolean {
  try {
    parseLocation(url);
    return true;
  } catch {
    return false;
  }
}

function kindOf(url: string): Location['kind'] {
  return isLocation(url) ? parseLocation(url).kind : 'local';
}
