import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../shared/errors/app-error.ts';
import { spoolFile } from '../../../shared/protocol/spool.ts';
import { absoluteVirtual, resolveVirtual, virtualName } from './virtual-path.ts';

const PRODUCTS = ['bookworm', 'trixie'];

/** The result, or the refusal; anything else that is thrown fails the test. */
function orRefusal<T>(work: () => T): T | AppError {
  try {
    return work();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

/** True when the path is refused, or means a bare file in the login's own folder. */
function staysInside(text: string): boolean {
  const at = orRefusal(() => resolveVirtual(text, PRODUCTS));
  if (at instanceof AppError || at.kind === 'root') return true;
  if (at.kind === 'product') return PRODUCTS.includes(at.product);
  const file = spoolFile('/spool/incoming', at.product, 'sender', at.name);
  const bare = path.resolve(file) === file && !file.endsWith('.partial');
  return bare && PRODUCTS.some((product) => path.dirname(file) === `/spool/incoming/${product}/sender`);
}

describe('paths that people type', () => {
  test.each(['', '.', '/', '//', './', '/bookworm/..', 'bookworm/../'])('%j is the root', (text) => {
    expect(resolveVirtual(text, PRODUCTS)).toEqual({ kind: 'root' });
  });
  test.each(['bookworm', '/bookworm', 'bookworm/', '/bookworm//', './bookworm/.', 'trixie/../bookworm'])(
    '%j is a product',
    (text) => {
      expect(resolveVirtual(text, PRODUCTS)).toEqual({ kind: 'product', product: 'bookworm' });
    },
  );
  test.each(['bookworm/a.dsc', '/bookworm/a.dsc', '/bookworm/./a.dsc', 'x/../bookworm/a.dsc'])(
    '%j is a file',
    (text) => {
      expect(resolveVirtual(text, PRODUCTS)).toEqual({ kind: 'file', product: 'bookworm', name: 'a.dsc' });
    },
  );
});

describe('paths that are refused', () => {
  test.each([
    ['..', 'path-escapes'],
    ['/..', 'path-escapes'],
    ['../bookworm/a.dsc', 'path-escapes'],
    ['bookworm/../../bookworm/a.dsc', 'path-escapes'],
    ['/etc/passwd', 'folder-unknown'],
    ['bookworm/sender/a.dsc', 'folder-unknown'],
    ['bookworm/sub/', 'folder-unknown'],
    ['bookworm/sub/.', 'folder-unknown'],
    ['Bookworm/a.dsc', 'folder-unknown'],
    ['__proto__', 'folder-unknown'],
    ['bookworm/.hidden', 'file-name-invalid'],
    ['bookworm/a b', 'file-name-invalid'],
    ['bookworm/a\0b', 'file-name-invalid'],
    ['bookworm/a\\..\\b', 'file-name-invalid'],
    ['bookworm/a.dsc.partial', 'file-name-invalid'],
    ['bookworm/%2e%2e', 'file-name-invalid'],
    ['x'.repeat(2000), 'path-too-long'],
  ])('%j: %s', (text, code) => {
    expect(() => resolveVirtual(text, PRODUCTS)).toThrow(expect.objectContaining({ code }) as Error);
  });

  test('the message says which products there are', () => {
    expect(() => resolveVirtual('etch', PRODUCTS)).toThrow(
      expect.objectContaining({ hint: 'Products: bookworm, trixie.' }) as Error,
    );
  });
});

describe('whatever a client sends', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '..',
      '.',
      '',
      'bookworm',
      'trixie',
      'a.dsc',
      '...',
      '.partial',
      '~',
      '\0',
      '\\',
      '%2e%2e',
    ),
    fc.string({ maxLength: 12, unit: 'binary' }),
  );
  const anyPath = fc.oneof(
    fc.array(piece, { maxLength: 10 }).map((parts) => parts.join('/')),
    fc.string({ unit: 'binary' }),
  );

  test('a path that is taken lies in the login’s own folder of a product, as a bare file', () => {
    const property = fc.property(anyPath, (text) => {
      expect(staysInside(text)).toBe(true);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test('the absolute form means the same again', () => {
    const property = fc.property(anyPath, (text) => {
      const absolute = orRefusal(() => absoluteVirtual(text));
      const same = absolute instanceof AppError || absoluteVirtual(absolute) === absolute;
      expect(same).toBe(true);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test('a resolved path’s name resolves to it', () => {
    for (const text of ['/', '/bookworm', '/trixie/x_1.dsc']) {
      expect(virtualName(resolveVirtual(text, PRODUCTS))).toBe(text);
    }
  });
});
