/** Bad binary packages, each with the code that refuses it: made from the control file of a good one. */
import {
  arOf,
  DATA,
  debOf,
  debPacking,
  debWith,
  FORMAT,
  packed,
  tarOf,
  type ArPart,
  type TarMember,
} from './hostile-deb.ts';

export interface BadDeb {
  what: string;
  /** Of the refusal. */
  code: string;
  /** `control` is the file's good text, `good` a whole good package with it. */
  make(control: string, good: Buffer): Buffer;
}

const ctl = (...members: TarMember[]): ArPart => ({ name: 'control.tar', content: tarOf(...members) });
const BOMB_BYTES = 100 * 1024 * 1024;
const zeros = (): Buffer => Buffer.alloc(BOMB_BYTES);
/** A control tar that unpacks to much more than it packs to, in each packing. */
const bomb = (ending: keyof typeof packed): BadDeb => ({
  what: `a control member of ${ending} that unpacks to 100 MB of nothing`,
  code: 'deb-invalid',
  make: () => debWith({ name: `control.tar.${ending}`, content: packed[ending](zeros()) }),
});
const bad = (what: string, make: BadDeb['make'], code = 'deb-invalid'): BadDeb => ({ what, code, make });
/** A control file that is changed as text. */
const text = (what: string, change: (control: string) => string | Buffer): BadDeb =>
  bad(what, (control) => debOf(change(control)));
const field = (what: string, line: string): BadDeb => text(what, (control) => `${control}${line}\n`);
/** Files that it packs. */
const files = (what: string, ...members: TarMember[]): BadDeb => bad(what, debPacking(...members));

const AR: BadDeb[] = [
  bad('an empty file', () => Buffer.alloc(0)),
  bad('only the first bytes of an ar file', () => Buffer.from('!<arch>\n')),
  bad('cut off within a header', (_control, good) => good.subarray(0, 100)),
  bad('cut off within the control member', (_control, good) => good.subarray(0, 200)),
  bad('cut off within the data member', (_control, good) => good.subarray(0, good.length - 700)),
  bad('a negative size', (control) =>
    arOf(FORMAT, { ...ctl({ name: 'control', content: control }), size: '-1' }, DATA),
  ),
  bad('a size of ten digits', (control) =>
    arOf(FORMAT, { ...ctl({ name: 'control', content: control }), size: '9999999999' }, DATA),
  ),
  bad('a size in hexadecimal', (control) =>
    arOf(FORMAT, { ...ctl({ name: 'control', content: control }), size: '0x200' }, DATA),
  ),
  bad('an odd member without its padding', (control) =>
    arOf(
      FORMAT,
      { name: '_odd', content: Buffer.from('x'), padded: false },
      ctl({ name: 'control', content: control }),
      DATA,
    ),
  ),
  bad('another format', (control) =>
    arOf(
      { name: 'debian-binary', content: Buffer.from('3.0\n') },
      ctl({ name: 'control', content: control }),
      DATA,
    ),
  ),
  bad('no control member', () => arOf(FORMAT, DATA)),
  bad('two control members', (control) =>
    arOf(
      FORMAT,
      ctl({ name: 'control', content: control }),
      ctl({ name: 'control', content: control }),
      DATA,
    ),
  ),
  bad('the data before the control member', (control) =>
    arOf(FORMAT, DATA, ctl({ name: 'control', content: control })),
  ),
  bad('a member behind the data', (control) =>
    arOf(FORMAT, ctl({ name: 'control', content: control }), DATA, {
      name: 'extra',
      content: Buffer.from('x'),
    }),
  ),
  bad('a name in the table of long names', (control) =>
    arOf(FORMAT, { name: '#1/20', content: Buffer.from(control) }, DATA),
  ),
  bad('a thousand members', (control) =>
    arOf(
      FORMAT,
      ...Array.from({ length: 1_000 }, () => ({ name: '_x', content: Buffer.from('x') })),
      ctl({ name: 'control', content: control }),
      DATA,
    ),
  ),
];

const PACKING: BadDeb[] = [
  bad('gzip that is none', () => debWith({ name: 'control.tar.gz', content: Buffer.from('nothing') })),
  bad('a cut off xz', (control) => {
    const whole = packed.xz(tarOf({ name: 'control', content: control }));
    return debWith({ name: 'control.tar.xz', content: whole.subarray(0, whole.length - 20) });
  }),
  bad('an xz with a broken sum', (control) => {
    const whole = packed.xz(tarOf({ name: 'control', content: control }));
    const at = whole.length - 40;
    whole[at] = (whole[at] ?? 0) ^ 0x55;
    return debWith({ name: 'control.tar.xz', content: whole });
  }),
  ...[bomb('gz'), bomb('xz'), bomb('zst')],
  bad('a control file of 100 MB', () => {
    const content = Buffer.alloc(BOMB_BYTES, 'Description: x\n');
    return debWith({ name: 'control.tar.gz', content: packed.gz(tarOf({ name: 'control', content })) });
  }),
  bad('a control file of 2 MB', (control) => debOf(`${control}X-Long: ${'y'.repeat(2 * 1024 * 1024)}\n`)),
];

const TAR: BadDeb[] = [
  bad('a symlink for control', () => debWith(ctl({ name: 'control', type: '2', link: '/etc/passwd' }))),
  bad('a hard link for control, to itself', () =>
    debWith(ctl({ name: 'control', type: '1', link: 'control' })),
  ),
  bad('two control files', (control) =>
    debWith(ctl({ name: './control', content: control }, { name: 'control', content: control })),
  ),
  bad('control in a folder', (control) => debWith(ctl({ name: 'x/control', content: control }))),
  bad('control above the package', (control) => debWith(ctl({ name: '../control', content: control }))),
  bad('a wrong checksum of a header', (control) =>
    debWith(ctl({ name: 'control', content: control, checksum: '0000000\0' })),
  ),
  bad('a negative size in a header', (control) =>
    debWith(ctl({ name: 'control', content: control, size: '-0000000001\0' })),
  ),
  bad('a size beyond all memory in a header', (control) =>
    debWith(ctl({ name: 'control', content: control, size: '77777777777\0' })),
  ),
  bad('two thousand files beside it', (control) =>
    debWith(
      ctl(...Array.from({ length: 2_000 }, (_, at) => ({ name: `x${String(at)}` })), {
        name: 'control',
        content: control,
      }),
    ),
  ),
  bad('pax headers', (control) =>
    debWith(
      ctl(
        { name: 'control', type: 'x', content: '20 path=../control\n\n' },
        { name: 'control', content: control },
      ),
    ),
  ),
];

const TEXT: BadDeb[] = [
  text('what is not UTF-8', (control) => Buffer.from(control.replace('a test', 'ein Prüfling'), 'latin1')),
  text('a field twice', (control) => `${control}Package: other\n`),
  text('a field twice in other letters', (control) => `${control}pAcKaGe: other\n`),
  field('a NUL', 'X: a\0b'),
  field('an escape sequence', 'X: \u001b[2J'),
  text('the line ends of DOS', (control) => control.replaceAll('\n', '\r\n')),
  text('a second paragraph', (control) => `${control}\nPackage: sneaked\nVersion: 1\n`),
  text(
    'a line of blanks that ends the paragraph for some',
    (control) => `${control} \t \nPackage: sneaked\n`,
  ),
  text('a comment', (control) => `# hidden\n${control}`),
  text('a line that is no field', (control) => `${control}nothing\n`),
  text('a field name with a space', (control) => `${control}My Field: x\n`),
  text(
    'a thousand fields',
    (control) => control + Array.from({ length: 1_000 }, (_, at) => `X-${String(at)}: x\n`).join(''),
  ),
  text('nothing at all', () => ''),
  text('no Version', (control) => control.replace(/^Version: .*\n/m, '')),
  text('a version with a path', (control) => control.replace(/^Version: .*$/m, 'Version: 1/../../2')),
  text('a name with a path', (control) => control.replace(/^Package: .*$/m, 'Package: ../../../etc/x')),
  text('a name with a line end', (control) => control.replace(/^Package: .*$/m, 'Package: bad\n next')),
  text('two architectures', (control) => control.replace(/^Architecture: .*$/m, 'Architecture: amd64 i386')),
  text('a source with a path', (control) => `${control}Source: ../../x\n`),
  field('a dependency without its version', 'Depends: libc6 (>= )'),
  field('an empty dependency', 'Depends: libc6,, libc7'),
  field('a dependency of an architecture, which is for sources', 'Depends: libc6 [amd64]'),
  field('brackets that do not end', 'Pre-Depends: libc6 (>= 2'),
  field('alternatives that are provided', 'Provides: mail | news'),
];

const FILES: BadDeb[] = [
  files('a packed file with a line end in its name', { name: 'usr/share/a\nusr/bin/sneaked' }),
  files('a packed file that leaves the package', { name: 'usr/../../../etc/passwd' }),
  files(
    'pax headers among its files',
    { name: 'x', type: 'x', content: '15 path=a\nb\n\n\n' },
    { name: 'x' },
  ),
  files('a packed file of a size that cannot be', { name: 'x', size: '77777777777\0' }),
  bad('no data', (control) => debOf(control, { name: 'data.tar', content: Buffer.alloc(0) })),
  bad('data that is no tar', (control) =>
    debOf(control, { name: 'data.tar', content: Buffer.alloc(2_048, 'x') }),
  ),
  bad('data of a packing that is none', (control) =>
    debOf(control, { name: 'data.tar.xz', content: Buffer.alloc(2_048, 'x') }),
  ),
  bad('data that is cut off', (control) => {
    const whole = packed.gz(tarOf({ name: 'x', content: 'y'.repeat(9_000) }));
    return debOf(control, { name: 'data.tar.gz', content: whole.subarray(0, whole.length / 2) });
  }),
];

export const BAD_DEBS: readonly BadDeb[] = [...AR, ...PACKING, ...TAR, ...TEXT, ...FILES];

/** Odd ones that are in order: nothing is unpacked, so links cannot lead anywhere, and names are only names. */
export const ODD_DEBS: readonly Omit<BadDeb, 'code'>[] = [
  {
    what: 'links in a circle',
    make: debPacking(
      { name: 'a', type: '2', link: 'b' },
      { name: 'b', type: '2', link: 'a' },
      { name: 'c', type: '1', link: 'c' },
    ),
  },
  {
    what: 'a link out of the package',
    make: debPacking({ name: 'a', type: '2', link: '../../../../etc/passwd' }),
  },
  {
    what: 'names with backslashes, blanks, quotes and bytes that are no UTF-8',
    make: debPacking({ name: 'usr/a\\b' }, { name: 'usr/c d\t"e"' }, { name: 'usr/\u00ff\u00fe' }),
  },
  { what: 'an absolute name', make: debPacking({ name: '/usr/bin/absolute' }) },
  { what: 'a long field', make: (control) => debOf(`${control}X-Long: ${'y'.repeat(900_000)}\n`) },
  {
    what: 'every bracket that apt reads',
    make: (control) => debOf(`${control}Depends: libFoo_1.0 (>= 1:2~), a:any | b (<< 3) , c(=1),\n`),
  },
];
