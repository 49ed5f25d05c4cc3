import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../errors/app-error.ts';
import { formatDeb822, formatParagraph, Paragraph, parseDeb822, parseParagraph } from './deb822.ts';

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,12}$/);
/** Any printable text without blanks at its ends: letters of all scripts, colons, hashes, dots. */
const line = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/\p{Cc}/u.test(text) && !/^[ \t]|[ \t]$/.test(text));
const value = fc
  .tuple(fc.option(line, { nil: '' }), fc.array(fc.tuple(fc.constantFrom(' ', '\t', '  '), line)))
  .map(([first, rest]) => [first, ...rest.map(([lead, text]) => lead + text)].join('\n'));
const paragraph = fc
  .uniqueArray(fc.tuple(name, value), { minLength: 1, maxLength: 8, selector: ([key]) => key.toLowerCase() })
  .map((entries) => Paragraph.from(entries));

/** The code of the AppError that was thrown, `none`, or what else went wrong. */
function codeOf(act: () => unknown): string {
  try {
    act();
    return 'none';
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

function invalid(lineNumber: number): unknown {
  return expect.objectContaining({ code: 'deb822-invalid', detail: { line: lineNumber } });
}

describe('round trip', () => {
  it('reads back whatever it writes', () => {
    fc.assert(
      fc.property(fc.array(paragraph, { minLength: 1, maxLength: 4 }), (paragraphs) => {
        const parsed = parseDeb822(formatDeb822(paragraphs));
        expect(parsed.map((each) => each.entries())).toEqual(paragraphs.map((each) => each.entries()));
      }),
    );
  });

  it('writes the same bytes again', () => {
    fc.assert(
      fc.property(paragraph, (each) => {
        const text = formatParagraph(each);
        expect(formatParagraph(parseParagraph(text))).toBe(text);
      }),
    );
  });

  it('throws nothing but its own errors on any text', () => {
    const noise = fc.string({
      unit: fc.constantFrom('A', 'b', ':', ' ', '\t', '\n', '#', '-', '.', '\r', 'é'),
    });
    fc.assert(
      fc.property(noise, (text) => {
        expect(codeOf(() => parseDeb822(text))).toMatch(/^(none|deb822-invalid)$/);
      }),
    );
  });
});

describe('parseDeb822', () => {
  it('keeps further lines with their first blank and finds fields in any case', () => {
    const [first] = parseDeb822('Package: hello\nDescription: short\n long\n .\n\tmore \n\n\n');
    expect(first?.get('DESCRIPTION')).toBe('short\n long\n .\n\tmore');
    expect(first?.names()).toEqual(['Package', 'Description']);
  });

  it('does not take a leading colon or tight value amiss', () => {
    expect(parseParagraph('A:b:c\n').get('a')).toBe('b:c');
  });

  it.each([
    ['a field that comes twice', 'A: 1\nB: 2\na: 3\n', 3],
    ['a continuation without a field', ' x\nA: 1\n', 1],
    ['a continuation after an empty line', 'A: 1\n\n x\n', 3],
    ['no colon', 'A: 1\nfoo\n', 2],
    ['a blank before the colon', 'A : 1\n', 1],
    ['a name that starts with a hyphen', '-A: 1\n', 1],
    ['a comment', 'A: 1\n# x\n', 2],
    ['a line of blanks', 'A: 1\n \t\nB: 2\n', 2],
    ['a carriage return', 'A: 1\nB: 2\r\n', 2],
    ['a NUL', 'A: 1\n\n\nB: \0\n', 4],
    ['a byte order mark', '\uFEFFA: 1\n', 1],
  ])('refuses %s', (_what, text, lineNumber) => {
    expect(() => parseDeb822(text)).toThrow(invalid(lineNumber));
  });

  it('takes comments and lines of blanks where the caller allows them', () => {
    const text = '# top\nSource: a\n# between\nBuild-Depends: b,\n# within\n c\n  \nPackage: a\n';
    const [source, binary] = parseDeb822(text, { comments: true, blankSeparators: true });
    expect(source?.list('Build-Depends')).toEqual(['b', 'c']);
    expect(binary?.get('Package')).toBe('a');
  });

  it('holds its limits', () => {
    expect(() => parseDeb822('A: 1\nB: 2\n', { maxFields: 1 })).toThrow(invalid(2));
    expect(() => parseDeb822('A: 1\n\nB: 2\n\nC: 3\n', { maxParagraphs: 1 })).toThrow(
      'more than 1 paragraphs',
    );
    expect(() => parseDeb822('A: ü\n', { maxBytes: 5 })).toThrow('larger than 5 bytes');
    expect(() => parseDeb822('A: ü\n', { maxBytes: 6 })).not.toThrow();
  });

  it('takes linear time on blanks', () => {
    const blanks = ' '.repeat(2_000_000);
    const started = performance.now();
    expect(parseParagraph(`A: x${blanks}y\n z${blanks}y\n`).list('A')).toHaveLength(1);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('parseParagraph', () => {
  it('wants exactly one', () => {
    expect(() => parseParagraph('\n\n')).toThrow('There is no paragraph');
    expect(() => parseParagraph('A: 1\n\nB: 2\n')).toThrow('more than one paragraph');
  });
});

describe('Paragraph', () => {
  it('keeps the place of a field that is set again', () => {
    const each = Paragraph.from([
      ['A', '1'],
      ['B', '2'],
    ]).set('a', '3');
    expect(each.entries()).toEqual([
      ['a', '3'],
      ['B', '2'],
    ]);
  });

  it('names what is missing or empty', () => {
    const missing = expect.objectContaining({ code: 'deb822-missing-field', detail: { field: 'Source' } });
    expect(() => new Paragraph().require('Source')).toThrow(missing);
    expect(() => Paragraph.from([['Source', '']]).require('Source')).toThrow(missing);
  });

  it.each(['a\nB: 2', 'a\n\n b', 'a\n ', 'a\r', 'a\n \n b'])(
    'refuses the value %j, which would end the field',
    (text) => {
      expect(() => new Paragraph().set('A', text)).toThrow(
        expect.objectContaining({ code: 'deb822-invalid' }),
      );
    },
  );

  it('parts words, lines and lists', () => {
    const each = parseParagraph('A: a, b (>= 1),\n c\nW: x\n y z\nF:\n 1 2\n 3 4\n');
    expect(each.list('A')).toEqual(['a', 'b (>= 1)', 'c']);
    expect(each.words('W')).toEqual(['x', 'y', 'z']);
    expect(each.lines('F')).toEqual(['1 2', '3 4']);
    expect(each.lines('none')).toEqual([]);
  });
});
