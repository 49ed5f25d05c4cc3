import { expect, test } from 'vitest';
import { BuildLog, showCommand } from './build-log.ts';

function capture(maxBytes: number): { log: BuildLog; text: () => string; limits: () => number } {
  let text = '';
  let limits = 0;
  const sink = {
    write: (bytes: Uint8Array) => void (text += Buffer.from(bytes).toString()),
    close: () => undefined,
  };
  const log = new BuildLog(sink, maxBytes, () => (limits += 1));
  return { log, text: () => text, limits: () => limits };
}

test("a line of the runner's own starts a line", () => {
  const { log, text } = capture(1_000);
  log.write(Buffer.from('no line end'));
  log.command(['echo', "it's", '$HOME']);
  log.write(Buffer.from('x\n'));
  log.line('done');
  expect(text()).toBe("no line end\n+ echo 'it'\\''s' '$HOME'\nx\ndone\n");
});

test('output is cut at the limit, told once; the runner may still say how it ends', () => {
  const { log, text, limits } = capture(10);
  log.write(Buffer.from('12345678'));
  log.write(Buffer.from('90ABC'));
  log.write(Buffer.from('more'));
  log.line('Result: package');
  expect(text()).toMatch(
    /^1234567890\n==> the log has reached its limit of 10 bytes[^\n]*\nResult: package\n$/,
  );
  expect(limits()).toBe(1);
  for (let count = 0; count < 1_000; count += 1) log.line('x'.repeat(100));
  expect(text().length).toBeLessThan(10_000);
});

test('plain words are shown as they are', () => {
  expect(showCommand(['dpkg-buildpackage', '-us', '--x=a:b,c'])).toBe('dpkg-buildpackage -us --x=a:b,c');
});
