import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TarPaths } from './tar-paths.ts';

let root: string;
const LONG = `${'folder-of-a-long-name/'.repeat(9)}file`;

beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tar-paths-'));
  for (const file of ['usr/bin/hello', 'usr/share/doc/a b', LONG, 'usr/share/größe']) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), file.repeat(30));
  }
  symlinkSync('hello', path.join(root, 'usr/bin/link'));
});
afterAll(() => rmSync(root, { recursive: true }));

function tar(...args: string[]): Buffer {
  return execFileSync('tar', ['--create', '--sort=name', '--directory', root, ...args]);
}

function evil(name: string): Buffer {
  return tar(`--transform=s,hello,${name},`, '-P', 'usr/bin/hello');
}

function pathsOf(bytes: Buffer, pieceBytes = bytes.length, pax = false): string[] {
  const reader = new TarPaths({ pax });
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  return reader.finish();
}

function codeOf(bytes: Buffer): unknown {
  try {
    pathsOf(bytes);
    return 'taken';
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

const ALL = [LONG, 'usr/bin/hello', 'usr/bin/link', 'usr/share/doc/a b', 'usr/share/größe'].map((each) =>
  Buffer.from(each).toString('latin1'),
);

describe('paths of a tar', () => {
  it('are the same in every form, however the bytes come', () => {
    const whole = tar('--format=gnu', './');
    for (const pieceBytes of [1, 100, 512, 513, 10_000]) expect(pathsOf(whole, pieceBytes)).toEqual(ALL);
    expect(pathsOf(tar('--format=pax', './'), 4_096, true)).toEqual(ALL);
    expect(pathsOf(tar('--format=ustar', 'usr'))).toEqual(ALL.slice(1));
  });

  it('are refused where dpkg refuses them, or where they would break an index', () => {
    expect(() => pathsOf(tar('--format=pax', './'))).toThrow('pax');
    expect(() => pathsOf(evil('../../../etc/passwd'))).toThrow('leaves the package');
    expect(() => pathsOf(evil('a\\nb'))).toThrow('line end');
  });

  it('of a broken or cut off tar are refused, and never anything else than an error', () => {
    const whole = tar('--format=gnu', './');
    expect(() => pathsOf(whole.subarray(0, 700))).toThrow('cut off');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const broken = Buffer.from(whole);
        broken[at] = byte;
        expect(['taken', 'deb-invalid']).toContain(codeOf(broken));
      }),
      { numRuns: 300 },
    );
  });
});
