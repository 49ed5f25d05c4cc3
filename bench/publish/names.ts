/**
 * Synthetic packages that look like an archive's: unique names over the whole alphabet, stanzas of about a
 * kilobyte. All of it follows from a number, so that every contender gets the same.
 */

const WORDS = (
  'alpha anchor apple archive atom audio azure basil binary bloom bridge cable cedar chart clock cloud cobalt ' +
  'codec comet copper coral cosmos crystal daemon data delta desk dial diesel dock dome drift echo edge ember ' +
  'engine epoch fabric falcon fern fiber field filter flint font forge frame frost garnet gate geo glass ' +
  'globe grid harbor hash hazel helm http image index iron jade json juniper kernel lake laser latte ledger ' +
  'lemon lens light linen lotus lunar maple marble matrix media mesh meta mint mirror mosaic nectar nest nova ' +
  'oak ocean olive onyx opal orbit orchid packet panel parse pearl pepper pine pixel planet plaza plume poly ' +
  'prism proto quartz query quill radar raster raven reef relay ridge ripple river robin rocket ruby saffron ' +
  'sage scan schema sierra signal silk sketch slate socket solar sonic spark sprint stack stone storm stream ' +
  'summit swift tango tensor thyme tide tiger timber token topaz torch trace tulip unity valley vault velvet ' +
  'vertex violet vista walnut wave wheat willow window xenon xml yarrow yellow zebra zenith zephyr zinc'
).split(' ');
const SHAPES = ['', 'lib', 'python3-', 'golang-', 'node-', 'r-cran-', 'ruby-', 'fonts-', 'php-', 'haskell-'];
const ENDINGS = ['', '-dev', '-doc', '-common', '-utils', '-data', '-bin', '-plugins'];
const SECTIONS = ['libs', 'libdevel', 'python', 'utils', 'net', 'devel', 'doc', 'science', 'sound'];
const PEOPLE = ['Games', 'Python', 'Perl', 'Science', 'Multimedia', 'Ruby', 'Go', 'Fonts'];

/** 32 well-mixed bits of a number (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let bits = value >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function pick<T>(list: readonly T[], seed: number): T {
  return list[mix(seed) % list.length] as T;
}

/** Unique for each number. */
export function packageName(number: number): string {
  const seed = number * 16;
  const stem = `${pick(WORDS, seed + 1)}-${pick(WORDS, seed + 2)}`;
  return `${pick(SHAPES, seed + 3)}${stem}${number.toString(36)}${pick(ENDINGS, seed + 4)}`;
}

function relations(seed: number, count: number): string {
  const one = (at: number): string => {
    const version = `${String(mix(seed + at) % 9)}.${String(mix(seed - at) % 40)}`;
    return `lib${pick(WORDS, seed + at)}${String(mix(at) % 9)} (>= ${version})`;
  };
  return Array.from({ length: count }, (_, at) => one(at)).join(', ');
}

/** The control file of package `number`. */
export function controlText(number: number): string {
  const seed = number * 64;
  const name = packageName(number);
  const text = Array.from({ length: 60 + (mix(seed) % 40) }, (_, at) => pick(WORDS, seed + at));
  const lines = Array.from({ length: Math.ceil(text.length / 10) }, (_, at) =>
    text.slice(at * 10, at * 10 + 10).join(' '),
  );
  return [
    `Package: ${name}`,
    `Version: ${packageVersion(number)}`,
    'Architecture: amd64',
    `Maintainer: ${pick(PEOPLE, seed)} Packages Team <team+${pick(WORDS, seed + 5)}@example.org>`,
    `Installed-Size: ${String(20 + (mix(seed + 6) % 9_000))}`,
    `Depends: libc6 (>= 2.34), ${relations(seed, 3 + (mix(seed + 7) % 4))}`,
    `Recommends: ${pick(WORDS, seed + 8)}-${pick(WORDS, seed + 9)}`,
    `Section: ${pick(SECTIONS, seed + 10)}`,
    'Priority: optional',
    'Multi-Arch: same',
    `Homepage: https://example.org/${name}`,
    `Description: ${text.slice(0, 6).join(' ')}`,
    ...lines.map((line) => ` ${line}`),
    '',
  ].join('\n');
}

/** Without an epoch, so that it stands in file names. */
export function packageVersion(number: number): string {
  return `${String(1 + (mix(number) % 5))}.${String(mix(number + 7) % 30)}.${String(number % 10)}-1`;
}

/** Paths that the package installs. */
export function installedPaths(number: number): string[] {
  const name = packageName(number);
  const doc = [`usr/share/doc/${name}/changelog.Debian.gz`, `usr/share/doc/${name}/copyright`];
  const own = Array.from(
    { length: 3 + (mix(number) % 12) },
    (_, at) => `usr/share/${name}/${pick(WORDS, number + at)}-${String(at)}.conf`,
  );
  return [`usr/bin/${name}`, ...doc, ...own].toSorted();
}
