import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scanStanza, StanzaStream, STANZA_MAX_BYTES } from './stanza-stream.ts';

function split(text: string, pieceLength = text.length || 1): string[] {
  const found: string[] = [];
  const stream = new StanzaStream((stanza) => found.push(stanza));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceLength) stream.write(bytes.subarray(at, at + pieceLength));
  stream.end();
  return found;
}

describe('stanzas of an index', () => {
  it('are the same however the text is cut', () => {
    const stanzas = fc.array(fc.constantFrom('Package: a\nVersion: 1\n', 'Package: ü\nDepends: b,\n c\n'));
    fc.assert(
      fc.property(
        stanzas,
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom('\n', '\n\n'),
        (all, length, gap) => {
          expect(split(all.join(gap), length)).toEqual(all);
        },
      ),
    );
  });

  it('the last needs no empty line and no line end', () => {
    expect(split('Package: a\n\nPackage: b')).toEqual(['Package: a\n', 'Package: b']);
    expect(split('\n\n\n')).toEqual([]);
  });

  it('are refused when one is too large, or holds what readers disagree about', () => {
    const bomb = `Package: a\nDescription: ${'x'.repeat(STANZA_MAX_BYTES)}\n`;
    expect(() => split(bomb, 65_536)).toThrow(/too large/);
    expect(() => split('Package: a\r\n\r\n')).toThrow(/carriage return/);
  });

  it('give the fields that are asked for', () => {
    const text = 'Package: hello\nFiles:\n a 1 x\n b 2 y\nFilename: pool/x\n';
    const found = scanStanza(text, new Set(['files', 'package']));
    expect([...found]).toEqual([
      ['package', 'hello'],
      ['files', '\n a 1 x\n b 2 y'],
    ]);
    expect(() => scanStanza('Size: 1\nsize: 2\n', new Set(['size']))).toThrow(/twice/);
    expect(() => scanStanza('no field\n', new Set(['size']))).toThrow(/no field/);
  });
});
