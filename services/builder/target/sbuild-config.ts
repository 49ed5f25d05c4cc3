/** sbuild's configuration and command line for one build. */
import path from 'node:path';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { oneLineSources, preferencesFor, type ResolvedSource } from './apt-sources.ts';
import { buildOptions, buildPath } from './dpkg-build.ts';
import type { Argv } from './userns.ts';

/** Text as a Perl single-quoted string. */
function perlString(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function perlHash(values: Record<string, string>): string {
  const pairs = Object.entries(values).map(([key, value]) => `${perlString(key)} => ${perlString(value)}`);
  return `{ ${pairs.join(', ')} }`;
}

/** The file that SBUILD_CONFIG names. `temporary` is where the session is unpacked. */
export function sbuildConfig(job: BuildJob, temporary: string): string {
  const epoch = job.sourceDateEpoch;
  const environment = {
    LC_ALL: 'C.UTF-8',
    DEB_BUILD_OPTIONS: buildOptions(job),
    ...(epoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(epoch) }),
  };
  return `# Written for one build; removed with it.
$chroot_mode = 'unshare';
$unshare_tmpdir_template = ${perlString(path.join(temporary, 'session.XXXXXXXXXX'))};
$build_environment = ${perlHash(environment)};
$environment_filter = [ '^PATH$', '^LC_ALL$', '^DEB_BUILD_OPTIONS$', '^SOURCE_DATE_EPOCH$' ];
$nolog = 1;
$log_colour = 0;
$run_lintian = 0;
$run_piuparts = 0;
$run_autopkgtest = 0;
$clean_source = 0;
$apt_upgrade = 0;
$apt_distupgrade = 0;
$purge_build_deps = 'never';
$sbuild_mode = 'user';
1;
`;
}

/** An OpenPGP key in the armored form, the only one that sbuild takes. */
export function armored(source: ResolvedSource): string {
  if (source.keyEnding === '.asc') return Buffer.from(source.key).toString('utf8');
  const lines =
    Buffer.from(source.key)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${lines.join('\n')}\n-----END PGP PUBLIC KEY BLOCK-----\n`;
}

/** Host names only, so that the text is safe in the command that sbuild gives to its shell. */
function preferencesCommand(extra: ResolvedSource[], base: ResolvedSource[]): string[] {
  const preferences = preferencesFor(extra, base);
  if (preferences === '' || !/^[\w\s:*?".=,+~/-]+$/.test(preferences)) return [];
  const text = preferences.replaceAll('\n', '\\n');
  return [`--chroot-setup-commands=printf '${text}' > /etc/apt/preferences.d/90autobuilder`];
}

export interface SbuildInputs {
  tar: string;
  /** Path of the .dsc. */
  dsc: string;
  extra: ResolvedSource[];
  base: ResolvedSource[];
  /** Armored key files, one for each of `extra`. */
  keyFiles: string[];
}

/** sbuild's argv; it is run in the folder that takes the results. */
export function sbuildArgv(job: BuildJob, inputs: SbuildInputs): Argv {
  const what = {
    any: ['--arch-any', '--no-arch-all'],
    all: ['--no-arch-any', '--arch-all'],
    both: ['--arch-any', '--arch-all'],
  };
  return [
    'sbuild',
    '--chroot-mode=unshare',
    `--chroot=${inputs.tar}`,
    `--dist=${job.base.product}`,
    `--arch=${job.base.architecture}`,
    ...what[job.binaries],
    `--build-path=${buildPath(job)}`,
    '--no-run-lintian',
    '--no-clean-source',
    ...(job.buildProfiles.length > 0 ? [`--profiles=${job.buildProfiles.join(',')}`] : []),
    ...oneLineSources(inputs.extra).map((line) => `--extra-repository=${line}`),
    ...inputs.keyFiles.map((file) => `--extra-repository-key=${file}`),
    ...preferencesCommand(inputs.extra, inputs.base),
    inputs.dsc,
  ];
}
