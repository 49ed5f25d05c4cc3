/** House rules that no off-the-shelf linter knows; CONTRIBUTING.md gives the reasons. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean);
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const sources = files.filter((file) => /^(services|shared|deploy|bin|bench|test)\/.*\.ts$/.test(file));
const product = sources.filter((file) => !file.startsWith('test/') && !file.endsWith('.test.ts'));

/** Files that break a rule, as `file: what`, so that a failure names them all at once. */
function offenders(candidates: string[], problem: (text: string, file: string) => string | null): string[] {
  return candidates.flatMap((file) => {
    const found = problem(read(file), file);
    return found === null ? [] : [`${file}: ${found}`];
  });
}

describe('structure', () => {
  it('services never import each other, and shared/ imports no service', () => {
    const bad = offenders(product, (text, file) => {
      const own = /^services\/([^/]+)/.exec(file)?.[1];
      if (own === undefined && !file.startsWith('shared/')) return null;
      for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
        const target = path.posix.join(path.posix.dirname(file), specifier ?? '');
        const other = /^services\/([^/]+)/.exec(target)?.[1];
        if (other !== undefined && other !== own) return `imports ${target}`;
      }
      return null;
    });
    expect(bad).toEqual([]);
  });

  it('shared/debian imports nothing impure', () => {
    const debian = product.filter((file) => file.startsWith('shared/debian/'));
    expect(debian.length).toBeGreaterThan(3);
    const impure = /from 'node:(?!crypto|zlib|stream|util|buffer|path|events)|from '\.\.\/(?!errors)/;
    expect(offenders(debian, (text) => impure.exec(text)?.[0] ?? null)).toEqual([]);
  });

  it('main.ts files are wiring only: under 120 lines', () => {
    const mains = product.filter((file) => /^services\/[^/]+\/main\.ts$/.test(file));
    expect(mains).toHaveLength(4);
    expect(offenders(mains, (text) => (text.split('\n').length > 120 ? 'too long' : null))).toEqual([]);
  });

  it('the files that the README and the layout promise are there', () => {
    const promised = [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      'SECURITY.md',
      'LICENSE',
      'bin/autobuilder',
      'bin/buildme',
    ];
    expect(promised.filter((file) => !files.includes(file))).toEqual([]);
  });

  it('ARCHITECTURE.md stays under 150 lines', () => {
    expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThan(150);
  });

  it('relative links in the documents lead somewhere', () => {
    const documents = files.filter((file) => file.endsWith('.md'));
    const bad = offenders(documents, (text, file) => {
      const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
        ([, target]) => target ?? '',
      );
      const dead = targets.find((target) => {
        const at = path.posix.join(path.posix.dirname(file), target).replace(/\/$/, '');
        return !files.some((known) => known === at || known.startsWith(`${at}/`));
      });
      return dead ?? null;
    });
    expect(bad).toEqual([]);
  });
});

describe('code', () => {
  it('children are started without a shell', () => {
    const shell = /shell:\s*true|\bexecSync\(|[^.\w]exec\(\s*[`'"]|'(?:\/bin\/)?(?:ba)?sh',\s*\[?'-c'/;
    expect(offenders(product, (text) => shell.exec(text)?.[0] ?? null)).toEqual([]);
  });

  it('tests are neither skipped nor focused, and do not sleep', () => {
    const tests = sources.filter(
      (file) => file !== 'test/tidy/tidy.test.ts' && (file.startsWith('test/') || file.endsWith('.test.ts')),
    );
    const weak = /\b(?:it|test|describe)\.(?:skip|only|todo)\b|setTimeout\((?:resolve|r|done), ?\d{3,}\)/;
    expect(offenders(tests, (text) => weak.exec(text)?.[0] ?? null)).toEqual([]);
  });

  it('no rule is silenced without a reason beside it', () => {
    const silenced = /@ts-ignore|@ts-nocheck|(?:eslint|oxlint)-disable(?!-next-line [\w/-]+ -- \w)/;
    const checked = sources.filter((file) => file !== 'test/tidy/tidy.test.ts');
    expect(offenders(checked, (text) => silenced.exec(text)?.[0] ?? null)).toEqual([]);
  });

  it('nothing is left for later in the code', () => {
    const later = /\b(?:TODO|FIXME|XXX)\b/;
    const checked = sources.filter((file) => file !== 'test/tidy/tidy.test.ts');
    expect(offenders(checked, (text) => later.exec(text)?.[0] ?? null)).toEqual([]);
  });
});
