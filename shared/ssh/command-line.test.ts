import fc from 'fast-check';
import { expect, test } from 'vitest';
import { run } from '../process/run.ts';
import { commandLine } from './command-line.ts';

test('a shell splits it into the very same argv', async () => {
  const argv: [string, ...string[]] = ['printf', '%s:', '/srv/work', 'a=b', '1.0+dfsg-1', '--', 'x@y', '%%'];
  const { stdout } = await run(['sh', '-c', commandLine(argv)]);
  expect(stdout.toString('utf8')).toBe('/srv/work:a=b:1.0+dfsg-1:--:x@y:%%:');
});

test('whatever a shell might take for something else is refused', () => {
  const plain = /^[A-Za-z0-9@%+=:,./_-]+$/;
  const other = fc.string({ unit: 'binary', maxLength: 20 }).filter((token) => !plain.test(token));
  fc.assert(
    fc.property(other, (token) => {
      expect(() => commandLine(['a', token])).toThrow('may not stand in a command');
    }),
  );
  for (const token of ['', 'a b', '$(id)', 'a;b', "'", 'a\n', '*', '~', 'a\0', 'a|b', '`id`', '#']) {
    expect(() => commandLine(['a', token])).toThrow('may not stand in a command');
  }
});
