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

const common = {
  version: z.literal(1),
  attempt: z.uuid(),
  /** Which installation this is, so that several can share a host: leftovers are cleaned within it only. */
  instance: z.string().regex(/^[a-z0-9-]{1,64}$/),
  /** Slot number within the host, from 0. The slot's earlier attempts are leftovers. */
  slot: z.number().int().nonnegative(),
  base: baseSpec,
  driver: z.enum(['auto', 'overlay', 'sbuild']),
  /** Repositories beside the base: the product's devel queue. */
  extraSources: z.array(aptSource),
  /** The whole job ends with class `package` (stage build) or `machine` (other stages) past this. */
  timeoutS: z.number().int().positive(),
  /** build.log is cut and the job ended past this. */
  maxLogBytes: z.number().int().positive(),
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

export const job = z.discriminatedUnion('kind', [buildJob, installJob, checkJob]);
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
});
export type Probe = z.infer<typeof probe>;
