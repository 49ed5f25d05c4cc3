/** Bad uploads: control files whose text is wrong. */
import { writeFile } from 'node:fs/promises';
import { nameOf, signFile } from '../uploading.ts';
import { editing, editingDsc, type BadUpload } from './case.ts';

const CHANGES = 'greeter_1.0-1_source.changes';
const DSC = 'greeter_1.0-1.dsc';
const TWO_MEBIBYTES_OF_LINES = 'X-Line: x\n'.repeat(1024 * 1024);

const without =
  (field: string) =>
  (text: string): string =>
    text.replace(new RegExp(`^${field}:.*\\n( .*\\n)*`, 'm'), '');

export const BAD_TEXTS: BadUpload[] = [
  {
    title: 'a .changes of an old format',
    code: 'changes-format-unsupported',
    reason: `${CHANGES}: .changes format '1.7' is not supported, 1.8 is`,
    make: editing((text) => text.replace('Format: 1.8', 'Format: 1.7')),
  },
  ...['Source', 'Version', 'Distribution', 'Architecture', 'Maintainer', 'Changes', 'Date'].map(
    (field): BadUpload => ({
      title: `a .changes without ${field}`,
      code: 'deb822-missing-field',
      reason: new RegExp(`^greeter_1\\.0-1_source\\.changes: .*${field}`),
      make: editing(without(field)),
    }),
  ),
  {
    title: 'a version that is none',
    code: 'version-invalid',
    reason: /^greeter_1\.0-1_source\.changes: /,
    make: editing((text) => text.replace('Version: 1.0-1', 'Version: one_point_zero')),
  },
  {
    title: 'a source that no package can be named',
    code: 'changes-invalid',
    reason: `${CHANGES}: Field Source is not in the form: '../Greeter'`,
    make: editing((text) => text.replace('Source: greeter', 'Source: ../Greeter')),
  },
  {
    title: 'an architecture that is none',
    code: 'changes-invalid',
    reason: `${CHANGES}: Field Architecture is not in the form: 'AMD_64'`,
    make: editing((text) => text.replace('Architecture: source', 'Architecture: source AMD_64')),
  },
  {
    title: 'a distribution of two words',
    code: 'changes-invalid',
    reason: `${CHANGES}: Field Distribution is not in the form: 'bookworm trixie'`,
    make: editing((text) => text.replace('Distribution: bookworm', 'Distribution: bookworm trixie')),
  },
  {
    title: 'two paragraphs',
    code: 'deb822-invalid',
    reason: /paragraph/,
    make: editing((text) => `${text}\nSource: other\n`),
  },
  {
    title: 'a field that comes twice',
    code: 'deb822-invalid',
    reason: /^greeter_1\.0-1_source\.changes: .*version/,
    make: editing((text) => text.replace('Version: 1.0-1', 'Version: 1.0-1\nversion: 9.0-1')),
  },
  {
    title: 'a line that belongs to no field',
    code: 'deb822-invalid',
    reason: /^greeter_1\.0-1_source\.changes: Line \d+: /,
    make: editing((text) => text.replace('Urgency: medium', 'Urgency: medium\nno field')),
  },
  {
    title: 'a control character in a field',
    code: 'deb822-invalid',
    reason: /^greeter_1\.0-1_source\.changes: /,
    make: editing((text) => text.replace('Urgency: medium', 'Urgency: me\u001Bdium')),
  },
  {
    title: 'an architecture of source without a .dsc',
    code: 'changes-invalid',
    reason: `${CHANGES}: Architecture names source, so one .dsc must be listed, not 0`,
    make: (files, people) => {
      files.delete(DSC);
      return editing((text) => text.replaceAll(/^ .*\.dsc\n/gm, ''))(files, people);
    },
  },
  {
    title: 'a .dsc without an architecture of source',
    code: 'changes-invalid',
    reason: `${CHANGES}: Lists '${DSC}' but Architecture does not name source`,
    make: editing((text) => text.replace('Architecture: source', 'Architecture: amd64')),
  },
  {
    title: 'a .changes that lists nothing',
    code: 'changes-invalid',
    reason: `${CHANGES}: Lists no files`,
    make: editing((text) => text.replaceAll(/^ [0-9a-f]{32,64} .*\n/gm, '')),
  },
  {
    title: 'a .changes of another version than the .dsc that it lists',
    code: 'file-name-conflict',
    reason: `${CHANGES}: The .dsc is named '${DSC}', expected 'greeter_1.0-2.dsc'`,
    make: editing((text) => text.replace('Version: 1.0-1', 'Version: 1.0-2')),
  },
  {
    title: 'a .changes larger than any',
    code: 'control-file-too-large',
    reason: /^greeter_1\.0-1_source\.changes is larger than \d+ bytes$/,
    make: (files) => writeFile(files.get(CHANGES)!, TWO_MEBIBYTES_OF_LINES),
  },
  {
    title: 'a .dsc that is not text',
    code: 'not-utf8',
    reason: `${DSC} is not UTF-8 text`,
    make: async (files, { me }) => {
      files.delete(CHANGES);
      await signFile(files, me, '.dsc');
      await writeFile(files.get(DSC)!, Buffer.from([0x46, 0xe9, 0x0a]));
    },
  },
  {
    title: 'a .dsc of a format that is not built here',
    code: 'dsc-format-unsupported',
    reason: `${DSC}: Source format '3.0 (git)' is not supported`,
    hint: /3\.0 \(quilt\)/,
    make: editingDsc((text) => text.replace('Format: 3.0 (quilt)', 'Format: 3.0 (git)')),
  },
  {
    title: 'a .dsc without a maintainer',
    code: 'deb822-missing-field',
    reason: /^greeter_1\.0-1\.dsc: .*Maintainer/,
    make: editingDsc(without('Maintainer')),
  },
  {
    title: 'a .dsc whose binary cannot be named so',
    code: 'dsc-invalid',
    reason: `${DSC}: Field Binary is not in the form: '-rf'`,
    make: editingDsc((text) => text.replace('Binary: greeter', 'Binary: -rf')),
  },
  {
    title: 'a .dsc with a malformed Package-List',
    code: 'dsc-invalid',
    reason: /^greeter_1\.0-1\.dsc: Field Package-List is not in the form/,
    make: editingDsc((text) => text.replace(' greeter deb misc optional arch=any', ' greeter deb')),
  },
  {
    title: 'a .dsc of another source',
    code: 'dsc-files-unexpected',
    reason: /^greeter_1\.0-1\.dsc: 'greeter_1\.0\.orig\.tar\.xz' does not belong to leaver 1\.0-1/,
    make: editingDsc((text) => text.replace('Source: greeter', 'Source: leaver')),
  },
  {
    title: 'a lone .dsc that is noise',
    code: 'signature-missing',
    reason: '.dsc is not signed.',
    make: async (files) => {
      await writeFile(files.get(nameOf(files, '.dsc'))!, 'noise\n'.repeat(100));
      files.delete(CHANGES);
    },
  },
];
