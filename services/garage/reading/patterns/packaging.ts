/** dpkg, debhelper, patches and apt. */
import { certain, likely } from './pattern.ts';

export const PACKAGING = [
  certain(
    'dependencies',
    /^dpkg-(?:checkbuilddeps|buildpackage): error: [Uu]nmet build (?:dependencies|conflicts)/,
  ),
  certain(
    'dependencies',
    /^\s*\S+ : (?:Pre-)?Depends: .+ but (?:it is not|it is a virtual|.+ is (?:to be )?installed)/,
  ),
  certain('dependencies', /^\s+\d+\. .+ (?:Pre-)?Depends .+/),
  certain(
    'dependencies',
    /^E: (?:Unable to locate package|Package '?[^ ']+'? has no installation candidate|Version '.*' for '.*' was not found)/,
  ),
  likely(
    'dependencies',
    /^E: (?:Unable to (?:correct problems|satisfy dependencies)|Unmet dependencies|Build-dependencies for)/,
  ),
  likely('dependencies', /^The following packages have unmet dependencies/),
  certain('fetch', /^E: (?:Failed to fetch|Unable to fetch|Some index files failed|The repository )/),
  certain('fetch', /^(?:E: |W: )?.*Hash Sum mismatch$/),
  certain('patch', /^(?:Hunk #\d+ FAILED at (?<line>\d+)|\d+ out of \d+ hunks? (?:FAILED|ignored))/),
  certain('patch', /^dpkg-source: (?:error|info): (?:LC_ALL=C )?patch .*(?:gave error|failed|reject)/),
  certain('patch', /^Patch (?<file>\S+) does not apply/), // quilt
  certain('patch', /^can't find file to patch at input line/),
  certain('patch', /^error: patch failed: (?<file>[^:]+):(?<line>\d+)$/), // git apply
  certain('unpack', /^dpkg-source: error: (?!dpkg-source)/),
  certain(
    'shared-libraries',
    /^dpkg-shlibdeps: error: (?:cannot find library|no dependency information|couldn't find library)/,
  ),
  certain(
    'symbols',
    /^dpkg-gensymbols: error: (?:some (?:symbols|new symbols|libraries)|new (?:libraries|symbols))/,
  ),
  certain('symbols', /^dh_makeshlibs: error: failing due to earlier errors/),
  certain('package-files', /^dh_(?:missing|install\w*): (?:error|warning): missing files, aborting/),
  certain(
    'package-files',
    /^dh_\w+: (?:error|warning): (?:Cannot find \(any matches for\)|\S+ exists in debian\/tmp but is not installed)/,
  ),
  certain(
    'metadata',
    /^dpkg-(?:parsechangelog|gencontrol|genchanges|genbuildinfo|deb|architecture|distaddfile): error: (?<what>.*)/,
  ),
  certain('metadata', /^(?:dpkg-deb: error: )?parsing file '(?<file>[^']+)' near line (?<line>\d+)/),
  certain(
    'metadata',
    /^(?:dpkg-buildpackage|dpkg-source|dpkg-\w+): error: (?:syntax error|.*is (?:not valid|invalid|empty|missing))/,
  ),
  certain('debhelper', /^dh: error: (?!.* returned exit code)/),
  certain('debhelper', /^dh_\w+: error: (?!.* (?:returned exit code|died with signal))/),
];
