import { describe, expect, it } from 'vitest';
import { poolPath, productPool, sourceDirectory } from './pool-path.ts';

describe('poolPath', () => {
  it.each([
    ['hello', 'main/h/hello'],
    ['libx11', 'main/libx/libx11'],
    ['lib3ds', 'main/lib3/lib3ds'],
    ['lib', 'main/l/lib'],
    ['libreoffice', 'main/libr/libreoffice'],
    ['0ad', 'main/0/0ad'],
  ])('puts %s into %s', (source, folder) => {
    expect(sourceDirectory('main', source)).toBe(folder);
    expect(poolPath('main', source, 'a_1.dsc')).toBe(`${folder}/a_1.dsc`);
  });

  it.each([
    ['main', 'hello', '../x'],
    ['main', 'hello', '.x'],
    ['main', '..', 'x'],
    ['../main', 'hello', 'x'],
    ['main', 'a/b', 'x'],
    ['', 'hello', 'x'],
  ])('refuses %s %s %s', (component, source, name) => {
    expect(() => poolPath(component, source, name)).toThrow(
      expect.objectContaining({ code: 'pool-path-invalid' }),
    );
  });

  it('parts products', () => {
    expect(productPool('bookworm')).toBe('pool/bookworm');
    expect(() => productPool('..')).toThrow(expect.objectContaining({ code: 'pool-path-invalid' }));
  });
});
