/**
 * Debian architectures and wildcards by dpkg's rules (dpkg-architecture(1), Policy 11.1): a name stands
 * for ABI, libc, operating system and CPU; in a wildcard `any` stands for whatever is in that place.
 */

/** Names of CPUs that dpkg knows; each is also the name of the architecture with GNU libc on Linux. */
const CPUS =
  'alpha amd64 arc arm arm64 armeb avr32 hppa i386 ia64 loong64 m32r m68k mips mips64 mips64el mips64r6 mips64r6el ' +
  'mipsel mipsr6 mipsr6el nios2 or1k powerpc powerpcel ppc64 ppc64el riscv64 s390 s390x sh3 sh3eb sh4 sh4eb ' +
  'sparc sparc64 tilegx';

/** What comes before the CPU in a name, with ABI, libc and operating system. */
const PREFIXES: Record<string, string> = {
  '': 'base-gnu-linux',
  'uclibc-linux-': 'base-uclibc-linux',
  'musl-linux-': 'base-musl-linux',
  'kfreebsd-': 'base-gnu-kfreebsd',
  'knetbsd-': 'base-gnu-knetbsd',
  'kopensolaris-': 'base-gnu-kopensolaris',
  'hurd-': 'base-gnu-hurd',
  'dragonflybsd-': 'base-bsd-dragonflybsd',
  'freebsd-': 'base-bsd-freebsd',
  'openbsd-': 'base-bsd-openbsd',
  'netbsd-': 'base-bsd-netbsd',
  'darwin-': 'base-bsd-darwin',
  'aix-': 'base-sysv-aix',
  'solaris-': 'base-sysv-solaris',
  'uclinux-': 'base-uclibc-uclinux',
};

/** Names that do not follow from prefix and CPU. */
const IRREGULAR: Record<string, string> = {
  'uclibc-linux-armel': 'eabi-uclibc-linux-arm',
  'musl-linux-armhf': 'eabihf-musl-linux-arm',
  arm64ilp32: 'ilp32-gnu-linux-arm64',
  armhf: 'eabihf-gnu-linux-arm',
  armel: 'eabi-gnu-linux-arm',
  mipsn32r6el: 'abin32-gnu-linux-mips64r6el',
  mipsn32r6: 'abin32-gnu-linux-mips64r6',
  mipsn32el: 'abin32-gnu-linux-mips64el',
  mipsn32: 'abin32-gnu-linux-mips64',
  mips64r6el: 'abi64-gnu-linux-mips64r6el',
  mips64r6: 'abi64-gnu-linux-mips64r6',
  mips64el: 'abi64-gnu-linux-mips64el',
  mips64: 'abi64-gnu-linux-mips64',
  powerpcspe: 'spe-gnu-linux-powerpc',
  x32: 'x32-gnu-linux-amd64',
  'kfreebsd-armhf': 'eabihf-gnu-kfreebsd-arm',
  'uclinux-armel': 'eabi-uclibc-uclinux-arm',
  'mint-m68k': 'base-tos-mint-m68k',
};

function makeTuples(): Map<string, string[]> {
  const tuples = new Map<string, string[]>();
  for (const [prefix, system] of Object.entries(PREFIXES)) {
    for (const cpu of CPUS.split(' ')) tuples.set(prefix + cpu, [...system.split('-'), cpu]);
  }
  for (const [name, tuple] of Object.entries(IRREGULAR)) tuples.set(name, tuple.split('-'));
  return tuples;
}

const TUPLES = makeTuples();

/** ABI, libc, system and CPU of a name; undefined for one that dpkg does not know. */
function tupleOf(name: string): string[] | undefined {
  return TUPLES.get(name.startsWith('linux-') ? name.slice('linux-'.length) : name);
}

/** As {@link tupleOf} for a name or wildcard; a short wildcard has `any` for what it leaves out in front. */
function patternOf(wildcard: string): string[] | undefined {
  const parts = wildcard.split('-');
  if (!parts.includes('any')) return tupleOf(wildcard);
  if (parts.length > 4) return undefined;
  return [...Array<string>(4 - parts.length).fill('any'), ...parts];
}

/**
 * True when an architecture (`amd64`) is meant by a name or wildcard (`any`, `linux-any`, `any-amd64`).
 * `all` is no architecture: it matches itself only.
 */
export function matchesArchitecture(architecture: string, wildcard: string): boolean {
  if (architecture === wildcard) return true;
  if (architecture === 'all' || wildcard === 'all') return false;
  if (wildcard === 'any') return true;
  const tuple = tupleOf(architecture);
  const pattern = patternOf(wildcard);
  if (tuple === undefined || pattern === undefined) return false;
  return pattern.every((part, index) => part === 'any' || part === tuple[index]);
}

export interface ArchitectureToBuild {
  architecture: string;
  /** `any`: architecture-dependent packages only; `all`: the others only; `both`. */
  binaries: 'any' | 'all' | 'both';
}

/**
 * What has to be built of a source, in the order of `productArchitectures`.
 *
 * Arch:all packages are built once, on `preferred` (the product's first architecture when the product
 * lacks that one). Empty when nothing of the source is for this product.
 */
export function architecturesToBuild(
  dscArchitectures: readonly string[],
  productArchitectures: readonly string[],
  preferred: string,
): ArchitectureToBuild[] {
  const allOn = productArchitectures.includes(preferred) ? preferred : productArchitectures[0];
  const builds: ArchitectureToBuild[] = [];
  for (const architecture of productArchitectures) {
    const any = dscArchitectures.some((wildcard) => matchesArchitecture(architecture, wildcard));
    const all = dscArchitectures.includes('all') && architecture === allOn;
    if (any && all) builds.push({ architecture, binaries: 'both' });
    else if (any || all) builds.push({ architecture, binaries: any ? 'any' : 'all' });
  }
  return builds;
}
