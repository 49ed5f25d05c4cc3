import { describe, expect, test } from 'vitest';
import type { AppError } from '../../../shared/errors/app-error.ts';
import type { KnownPackage } from '../pool/records.ts';
import { arrive, type Arrival } from './arrival.ts';

function known(
  id: string,
  architecture: string,
  sourceVersion: string,
  version = sourceVersion,
): KnownPackage {
  const kind = architecture === 'source' ? 'source' : 'deb';
  const name = architecture === 'all' ? 'hello-data' : 'hello';
  return {
    ...{ id, component: 'main', kind, name, version, architecture },
    ...{ source: 'hello', sourceVersion, stanza: '', files: [] },
  };
}

function set(sourceVersion: string, architecture: string, packages: KnownPackage[]): Arrival {
  return {
    ...{ queue: 'devel', source: 'hello', sourceVersion, architecture, packages },
    ...{ dscArchitectures: ['any', 'all'], keepsOld: false },
  };
}

const old = [
  known('1', 'source', '1'),
  known('2', 'amd64', '1'),
  known('3', 'i386', '1'),
  known('4', 'all', '1'),
];
const ids = (packages: KnownPackage[]): string[] => packages.map((each) => each.id).sort();

describe('what a newer version replaces', () => {
  test('the source, its own architecture and all; the other architecture waits for its build', () => {
    const arrival = set('2', 'amd64', [
      known('5', 'source', '2'),
      known('6', 'amd64', '2'),
      known('7', 'all', '2'),
    ]);
    expect(ids(arrive(old, arrival))).toEqual(['3', '5', '6', '7']);
  });

  test('all stays while the set that brings the new one is still to come', () => {
    const arrival = set('2', 'i386', [known('5', 'source', '2'), known('8', 'i386', '2')]);
    expect(ids(arrive(old, arrival))).toEqual(['2', '4', '5', '8']);
  });

  test('what the new source is not built for any more leaves at once', () => {
    const arrival = set('2', 'amd64', [known('5', 'source', '2'), known('6', 'amd64', '2')]);
    expect(ids(arrive(old, { ...arrival, dscArchitectures: ['amd64'] }))).toEqual(['5', '6']);
  });

  test('the second architecture of the same version joins', () => {
    const held = [known('5', 'source', '2'), known('6', 'amd64', '2'), known('3', 'i386', '1')];
    const arrival = set('2', 'i386', [known('5', 'source', '2'), known('8', 'i386', '2')]);
    expect(ids(arrive(held, arrival))).toEqual(['5', '6', '8']);
  });

  test('a binary-only rebuild takes the place of what it rebuilt', () => {
    const arrival = set('1', 'amd64', [known('1', 'source', '1'), known('9', 'amd64', '1', '1+b1')]);
    expect(ids(arrive(old, arrival))).toEqual(['1', '3', '4', '9']);
  });
});

describe('in a queue that keeps old versions', () => {
  test('everything older stays; a binary-only rebuild still takes the place of what it rebuilt', () => {
    const next = [known('5', 'source', '2'), known('6', 'amd64', '2')];
    const held = arrive(old, { ...set('2', 'amd64', next), keepsOld: true });
    expect(ids(held)).toEqual(['1', '2', '3', '4', '5', '6']);
    const rebuilt = [known('5', 'source', '2'), known('7', 'amd64', '2', '2+b1')];
    expect(ids(arrive(held, { ...set('2', 'amd64', rebuilt), keepsOld: true }))).toEqual([
      ...['1', '2', '3', '4', '5', '7'],
    ]);
  });
});

function codeOf(held: KnownPackage[], arrival: Arrival): string {
  try {
    arrive(held, arrival);
    return 'taken';
  } catch (error) {
    return `${(error as AppError).code}: ${(error as AppError).message}`;
  }
}

describe('the version rule', () => {
  test('older than what the queue holds is refused in the words people search for', () => {
    expect(codeOf(old, set('1~rc1', 'amd64', [known('5', 'source', '1~rc1')]))).toBe(
      'version-check-failed: Version check failed: Your upload included the source package hello, version 1~rc1, however devel already has version 1. Uploads to devel must have a higher version than present in devel.',
    );
  });

  test('a binary older than its own rebuild is refused', () => {
    const held = [known('1', 'source', '1'), known('9', 'amd64', '1', '1+b1')];
    expect(codeOf(held, set('1', 'amd64', [known('2', 'amd64', '1')]))).toMatch(/^version-check-failed/);
  });

  test('the same set again changes nothing', () => {
    expect(
      ids(arrive(old, set('1', 'amd64', [known('1', 'source', '1'), known('2', 'amd64', '1')]))),
    ).toEqual(['1', '2', '3', '4']);
  });
});
