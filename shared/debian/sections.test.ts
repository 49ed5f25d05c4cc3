import { describe, expect, it } from 'vitest';
import { isKnownSection, knownSections } from './sections.ts';

describe('isKnownSection', () => {
  it.each(['devel', 'libs', 'contrib/net', 'non-free-firmware/kernel', 'debian-installer', 'main/python'])(
    '%s',
    (section) => {
      expect(isKnownSection(section)).toBe(true);
    },
  );

  it.each(['', 'user/office', 'Devel', 'contrib/', '/net', 'main/main/net', 'unknown', 'constructor'])(
    'not %j',
    (section) => {
      expect(isKnownSection(section)).toBe(false);
    },
  );

  it('lists them in order', () => {
    expect(knownSections()[0]).toBe('admin');
    expect(knownSections().every(isKnownSection)).toBe(true);
  });
});
