import { expect, test } from 'vitest';
import { classOfSummary, readSummary, stageOfLine } from './sbuild-summary.ts';

const box = (heading: string): string => `+----+\n| ${heading.padEnd(76)} |\n+----+\n`;

test('the summary counts, not what the build printed', () => {
  const output = `Status: successful\n${box('Summary')}\nFail-Stage: build\nPackage: x\nStatus: attempted\n`;
  expect(readSummary(output)).toEqual({ status: 'attempted', failStage: 'build' });
});

test('a log that was cut has neither', () => {
  expect(readSummary('no summary')).toEqual({ status: null, failStage: null });
});

test('classes by fail stage', () => {
  expect(classOfSummary({ status: 'attempted', failStage: 'build' })).toBe('package');
  expect(classOfSummary({ status: 'given-back', failStage: 'install-deps' })).toBe('dep-wait');
  expect(classOfSummary({ status: 'failed', failStage: 'unpack' })).toBe('machine');
  expect(classOfSummary({ status: null, failStage: null })).toBe('machine');
});

test('headings begin stages', () => {
  expect(stageOfLine(`| ${'Install package build dependencies'.padEnd(76)} |`)).toBe('setup');
  expect(stageOfLine(`| ${'Build'.padEnd(76)} |`)).toBe('build');
  expect(stageOfLine(`| ${'Build environment'.padEnd(76)} |`)).toBeNull();
  expect(stageOfLine('Build')).toBeNull();
});
