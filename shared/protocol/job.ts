/**
 * What garage and the runner on a builder host say to each other.
 *
 * Garage copies the runner (`<workdir>/runner-<sha256>.mjs`, once for each version) and an attempt folder
 * `<workdir>/attempts/<instance>/<attempt id>/` over SFTP:
 *
 *     job.json      what to do (`job`)
 *     source/       the source package's files, for a build; all of a check's files
 *
 * and runs over SSH, with Debian's own nodejs 18 or later:
 *
 *     nodejs runner.mjs start  <attempt folder>           starts the job detached from the connection, returns at once;
 *                                                         a second start of the same attempt is a no-op
 *     nodejs runner.mjs follow <attempt folder> <offset>  build.log from that byte on to stdout, as it grows; ends
 *                                                         with exit 0 once the status is `done` and all was sent
 *     nodejs runner.mjs cancel <attempt folder>           ends the whole process group; the result says `cancelled`
 *     nodejs runner.mjs remove <attempt folder>           removes the attempt and whatever it mounted
 *     nodejs runner.mjs probe  <workdir>                  one JSON object (`probe`) on stdout
 *     nodejs runner.mjs base   <attempt folder>           makes the base the job names, if it is missing or stale
 *     nodejs runner.mjs bases  <workdir>                  one JSON array (`baseList`) on stdout: the bases there
 *     nodejs runner.mjs shell  <attempt folder>           a shell on stdin and stdout, in the target of an attempt whose
 *                                                         job failed and was kept (`keepFailedS`)
 *
 * The runner writes into the attempt folder `status.json` (`status`, replaced whole at each change),
 * `build.log`, and at the end `result.json` (`result`) and `results/` (the files it lists). `done` is
 * written after everything else is durable.
 */
import { z } from 'zod';
import { architectureName, fileEntry, fileName, productName, sourceName } from './names.ts';

/** sbdmock's states, in order. */
export const STAGES = ['init', 'clean', 'prep', 'setup', 'build', 'ending', 'done'] as const;
export const stage = z.enum(STAGES);
export type Stage = z.infer<typeof stage>;

/**
 * Whose fault an end is. `success`; `package`: the package failed to build; `dep-wait`: a build-dependency
 * cannot be had yet; `machine`: the host's or the network's fault, tried again elsewhere; `cancelled`;
 * `usage`: the job itself was wrong (ours).
 */
export const EXIT_CLASSES = ['success', 'package', 'dep-wait', 'machine', 'cancelled', 'usage'] as const;
export const exitClass = z.enum(EXIT_CLASSES);
export type ExitClass = z.infer<typeof exitClass>;

/**
 * What a job may use up; past a limit it ends. By itself that is class `package` in stage `build`, else `machine`;
 * the limit's name stands in the result. `time`: the whole job. `silence`: since the last byte of log.
 */
export const LIMITS = ['time', 'silence', 'memory', 'disk', 'processes', 'log'] as const;
export const limitName = z.enum(LIMITS);
export type LimitName = z.infer<typeof limitName>;

/** One apt source that a target sees, as in sources.list(5) deb822 format. */
export const aptSource = z.strictObject({
  uris: z.array(z.url()).min(1),
  suites: z.array(z.string()).min(1),
  components: z.array(z.string()),
  /** Armored OpenPGP key inline, or the path of a keyring on the host; exactly one. */
  key: z.string().optional(),
  keyring: z.string().startsWith('/').optional(),
});
export type AptSource = z.infer<typeof aptSource>;

/** A repository beside the base, with its place among the others, see apt_preferences(5). */
export const extraSource = aptSource.extend({
  /** Without it, the repository is equal to the base where the host alone tells the two apart. */
  pin: z
    .strictObject({
      /** 1000 and more downgrades; 1 to 99 only what is installed from nowhere else; negative never. */
      priority: z.number().int().min(-1000).max(1999),
      /** Which packages: names and globs of apt. */
      packages: z
        .array(z.string().regex(/^[A-Za-z0-9*?.+:-]+$/))
        .min(1)
        .default(['*']),
      /** By its Release file, such as `o=Example,n=bookworm`; default: by the host in its URI. */
      release: z
        .string()
        .regex(/^[a-z]=[A-Za-z0-9 ._+~/-]+(,[a-z]=[A-Za-z0-9 ._+~/-]+)*$/)
        .optional(),
    })
    .optional(),
});
export type ExtraSource = z.infer<typeof extraSource>;

export const baseSpec = z.strictObject({
  product: productName,
  architecture: architectureName,
  /** The distribution's own archives: what mmdebstrap makes the base from; kept in the target. */
  sources: z.array(aptSource).min(1),
  /** A base older than this is made anew, beside and switched. */
  maxAgeHours: z.number().positive(),
  /** Packages put in when it is made, for checks whose tools would take longer to install than to run. */
  include: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/))
    .min(1)
    .optional(),
});
export type BaseSpec = z.infer<typeof baseSpec>;

/** Nobody looks into a failure longer; a host's disk is not for ever. */
const MAX_KEPT_S = 7 * 24 * 3600;

const common = {
  version: z.literal(1),
  attempt: z.uuid(),
  /** Which installation this is, so that several can share a host: leftovers are cleaned within it only. */
  instance: z.string().regex(/^[a-z0-9-]{1,64}$/),
  /** Slot number within the host, from 0. The slot's earlier attempts are leftovers. */
  slot: z.number().int().nonnegative(),
  base: baseSpec,
  driver: z.enum(['auto', 'overlay', 'sbuild']),
  /** Repositories beside the base: the product's devel queue, and what the product names. */
  extraSources: z.array(extraSource),
  /** Limit `time`. */
  timeoutS: z.number().int().positive(),
  /** Limit `log`: build.log is cut and the job ended past this, always as class `package`. */
  maxLogBytes: z.number().int().positive(),
  /** The other limits, each off unless given. They hold in the stages `setup` and `build`. */
  limits: z
    .strictObject({
      silenceS: z.number().int().positive().optional(),
      /** All processes together; never more than 9/10 of what the host has. */
      memoryBytes: z.number().int().positive().optional(),
      /** What the target takes on disk beside its base. */
      diskBytes: z.number().int().positive().optional(),
      /** Left free for others on the host's disk; below it the job ends as class `machine`, limit `disk`. */
      minFreeBytes: z.number().int().nonnegative().optional(),
      /** Processes and their threads, all together. */
      processes: z.number().int().min(64).optional(),
    })
    .optional(),
  /** A target whose job failed (class `package` or `dep-wait`) is kept for so long; see `shell`. */
  keepFailedS: z.number().int().positive().max(MAX_KEPT_S).optional(),
  /** What the host remembers of earlier builds, bounded by `maxBytes`; nothing unless given. */
  packageCache: z.strictObject({ maxBytes: z.number().int().positive() }).optional(),
};

/** Build one source on one architecture. */
export const buildJob = z.strictObject({
  ...common,
  kind: z.literal('build'),
  source: sourceName,
  sourceVersion: z.string(),
  dsc: fileName,
  /** Everything under `source/`, the .dsc included; the runner checks them again. */
  files: z.array(fileEntry),
  /** `all`: arch:all packages only; `any`: arch-dependent only; `both`. */
  binaries: z.enum(['any', 'all', 'both']),
  /** Seconds since 1970 for SOURCE_DATE_EPOCH; default: from the changelog. */
  sourceDateEpoch: z.number().int().optional(),
  buildOptions: z.array(z.string().regex(/^[a-z0-9=.-]+$/)),
  buildProfiles: z.array(z.string().regex(/^[a-z0-9.-]+$/)),
});
export type BuildJob = z.infer<typeof buildJob>;

/** In a clean target: `apt-get update`, `apt-get install` of packages, then one command; nothing else. */
export const installJob = z.strictObject({
  ...common,
  kind: z.literal('install'),
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[0-9][A-Za-z0-9.+:~-]*)?$/)).min(1),
  /** Argv run as the target's unprivileged user afterwards; empty for none. */
  command: z.array(z.string()),
});
export type InstallJob = z.infer<typeof installJob>;

/** Around the output of an install job's command in build.log, each a line of its own. */
export const OUTPUT_BEGIN = '----- begin of the output';
export const OUTPUT_END = '----- end of the output';

/**
 * What can be tried on built packages before or after they are published. `piuparts`: installing, removing and
 * purging leaves the system as it was; `rebuild`: the same source gives the same bytes again.
 */
export const CHECK_NAMES = ['install', 'lintian', 'autopkgtest', 'piuparts', 'rebuild'] as const;
export const checkName = z.enum(CHECK_NAMES);
export type CheckName = z.infer<typeof checkName>;

/** Lintian's severities that can fail a check, as its --fail-on takes them. */
export const lintianSeverity = z.enum(['error', 'warning', 'info', 'pedantic', 'experimental', 'override']);

/** One check of one build's packages in a clean target. A verdict of no is class `package`, with `check` filled. */
export const checkJob = z.strictObject({
  ...common,
  kind: z.literal('check'),
  check: checkName,
  source: sourceName,
  sourceVersion: z.string(),
  /** Everything under `source/`: the packages and, for checks that need it, the source package. */
  files: z.array(fileEntry),
  /** The packages that are checked; others among the files are only there to be depended on. */
  packages: z.array(fileName).min(1),
  /** For the checks that need the source package. */
  dsc: fileName.optional(),
  /** For `rebuild`, as in the job that built the packages. */
  binaries: z.enum(['any', 'all', 'both']),
  sourceDateEpoch: z.number().int().optional(),
  buildOptions: z.array(z.string().regex(/^[a-z0-9=.-]+$/)),
  buildProfiles: z.array(z.string().regex(/^[a-z0-9.-]+$/)),
  /** For `lintian`. */
  failOn: z.array(lintianSeverity),
});
export type CheckJob = z.infer<typeof checkJob>;

/** Lines of a report; more of them nobody reads, and the log has all. */
export const MAX_REPORT_LINES = 100;

export const checkReport = z.strictObject({
  /** One sentence; the verdict of a failure is the result's message as well. */
  note: z.string().max(1000),
  /** What was found: tags, tests, files that differ. */
  lines: z.array(z.string().max(500)).max(MAX_REPORT_LINES),
});
export type CheckReport = z.infer<typeof checkReport>;

/** Only makes the base, if it is missing or older than `base.maxAgeHours`: stages `init` to `prep`. */
export const baseJob = z.strictObject({ ...common, kind: z.literal('base') });
export type BaseJob = z.infer<typeof baseJob>;

export const job = z.discriminatedUnion('kind', [buildJob, installJob, checkJob, baseJob]);
export type Job = z.infer<typeof job>;

export const status = z.strictObject({
  version: z.literal(1),
  stage,
  /** ISO 8601, when the stage began. */
  since: z.string(),
  /** The detached runner; 0 before it runs. */
  pid: z.number().int(),
});
export type Status = z.infer<typeof status>;

export const result = z.strictObject({
  version: z.literal(1),
  attempt: z.uuid(),
  exitClass,
  /** The stage it ended in; `done` for a success. */
  stage,
  /** One sentence for people; empty for a success. */
  message: z.string(),
  /** For dep-wait: dependencies that cannot be had, as written in the .dsc. */
  missing: z.array(z.string()),
  driver: z.enum(['overlay', 'sbuild']),
  /** Seconds spent in each stage it went through. */
  stageSeconds: z.record(stage, z.number()).or(z.partialRecord(stage, z.number())),
  startedAt: z.string(),
  finishedAt: z.string(),
  /** The limit that ended it, if one did. */
  limit: limitName.optional(),
  /** The target is kept for so many seconds after the end. */
  keptS: z.number().int().positive().max(MAX_KEPT_S).optional(),
  /** What lies in `results/`: .deb, .udeb, .ddeb, .changes, .buildinfo. */
  files: z.array(fileEntry),
  /** Of a check that came to a verdict. */
  check: checkReport.optional(),
});
export type Result = z.infer<typeof result>;

export const probe = z.strictObject({
  version: z.literal(1),
  nodejs: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  userNamespaces: z.boolean(),
  overlay: z.boolean(),
  /** Programs the runner needs that the host lacks, as Debian package names. */
  missingPackages: z.array(z.string()),
  freeBytes: z.number(),
  /** Milliseconds since 1970 on the host. */
  clockMs: z.number(),
  /** Architectures whose programs run there, by arch-test(1): natively or by qemu-user. */
  runs: z.array(architectureName).optional(),
});
export type Probe = z.infer<typeof probe>;

/** What `bases` says. */
export const baseList = z.array(
  z.strictObject({
    product: productName,
    architecture: architectureName,
    /** Of the sources it is made from, see `baseName` in the builder: another one is another base. */
    digest: z.string(),
    /** Seconds since it was made, and since it was last used: by the host's clock, which may be wrong. */
    ageS: z.number(),
    idleS: z.number(),
  }),
);
export type BaseList = z.infer<typeof baseList>;
