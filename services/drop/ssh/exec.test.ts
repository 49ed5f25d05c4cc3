import { describe, expect, test } from 'vitest';
import { answerCommand } from './exec.ts';

const code = (command: string): number => answerCommand(command, ['bookworm']).code;

describe('commands', () => {
  test.each([
    'chmod 0644 bookworm/hello_1.0.dsc',
    'chmod 644 /bookworm/a.dsc bookworm/a_source.changes',
    'chmod 0644 ./bookworm//a.dsc',
  ])('%j, as dput sends it, succeeds', (command) => {
    expect(code(command)).toBe(0);
  });

  test.each([
    'chmod 0644',
    'chmod 0644 /etc/passwd',
    'chmod 0644 bookworm',
    'chmod 0644 bookworm/../../x',
    'chmod u+s bookworm/a.dsc',
    'chmod 0644 bookworm/a.dsc; id',
    'chmod 0644 bookworm/$(id)',
    'id',
    'internal-sftp',
    '',
    'scp -t bookworm',
  ])('%j fails', (command) => {
    expect(code(command)).toBe(1);
  });

  test('the old scp protocol is told what to use', () => {
    expect(answerCommand('scp -p -t bookworm/', ['bookworm']).text).toContain('sftp');
  });
});
