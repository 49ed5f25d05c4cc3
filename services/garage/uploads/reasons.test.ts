import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../shared/errors/app-error.ts';
import { codeOf, REASONS, type Reason, type ReasonName } from './reasons.ts';
import { reject, rejecting } from './rejection.ts';

const CHECKOUT = path.resolve(import.meta.dirname, '../../..');
const names = Object.keys(REASONS) as ReasonName[];

/** Cells of the table in docs/uploads.md. */
async function documented(): Promise<string[][]> {
  const text = await readFile(path.join(CHECKOUT, 'docs/uploads.md'), 'utf8');
  const [, table = ''] = text.split('| code | sentence | next step |\n');
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) => line.slice(2, -2).split(' | '));
}

/** A parser that throws. */
function failing(error: Error): Promise<never> {
  return rejecting('x.dsc', () => {
    throw error;
  });
}

describe('the table of reasons', () => {
  test('is the one in docs/uploads.md', async () => {
    const wanted = names.map((name) => {
      const { sentence, next }: Reason = REASONS[name];
      return [`\`${codeOf(name)}\``, sentence, next];
    });
    const found = (await documented()).map((cells) => cells.map((cell) => cell.trim()));
    expect(found).toEqual(wanted);
  });

  test.each(names)('%s has a code in form, a sentence and a next step', (name) => {
    const { sentence, next }: Reason = REASONS[name];
    expect(codeOf(name)).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(sentence).not.toBe('');
    expect(next).toMatch(/\S/);
  });

  test('holds every code that the parsers of control files throw', async () => {
    const folder = path.join(CHECKOUT, 'shared/debian');
    const parsers = [
      'changes.ts',
      'dsc.ts',
      'dsc-files.ts',
      'file-list.ts',
      'deb822.ts',
      'paragraph.ts',
      'version.ts',
    ];
    const present = new Set(await readdir(folder));
    const codes = new Set<string>();
    for (const file of parsers.filter((each) => present.has(each))) {
      const text = await readFile(path.join(folder, file), 'utf8');
      for (const [, code] of text.matchAll(/new AppError\(\s*'([a-z0-9-]+)'/g)) codes.add(code ?? '');
    }
    expect(codes.size).toBeGreaterThan(10);
    expect([...codes].filter((code) => !names.some((name) => codeOf(name) === code))).toEqual([]);
  });
});

describe('a rejection', () => {
  test('has its sentence and next step filled in, and no control character', () => {
    const rejection = reject('file-size-mismatch', { file: 'a\u001B[31m.dsc', where: '.changes' });
    expect(rejection.code).toBe('file-size-mismatch');
    expect(rejection.message).toBe('File size for a?[31m.dsc does not match that specified in .changes');
    expect(rejection.hint).toMatch(/^Upload it again/);
  });

  test('of a parser keeps its code; what a parser did not foresee is one, too', async () => {
    await expect(failing(new AppError('dsc-invalid', 'Field Binary is bad'))).rejects.toMatchObject({
      ...{ code: 'dsc-invalid', message: 'x.dsc: Field Binary is bad' },
      hint: REASONS['dsc-invalid'].next,
    });
    await expect(failing(new TypeError('undefined is not a function'))).rejects.toMatchObject({
      ...{ code: 'control-file-unreadable', message: 'x.dsc cannot be read' },
      hint: REASONS['control-file-unreadable'].next,
    });
  });
});
