import { expect, test } from 'vitest';
import { syncFailure } from './failure.ts';

const result = { code: 1, signal: null, stdout: Buffer.from(''), endedBy: null };
const target = { text: 'rclone:s3:bucket/live' } as never;

function failure(program: string, words: string): ReturnType<typeof syncFailure> {
  return syncFailure(program, { ...result, stderr: Buffer.from(words) }, target);
}

test.each([
  ['NoSuchBucket: The specified bucket does not exist\n\tstatus code: 404', 'target-unreachable'],
  ['Forbidden: Forbidden\n\tstatus code: 403, request id: , host id: ', 'target-unreachable'],
  ['AccessDenied: Access Denied\n\tstatus code: 403', 'target-not-writable'],
  [
    'Failed to copy: RequestError: send request failed\ncaused by: Head "http://192.0.2.1/bucket/live/x": net/http: timeout awaiting response headers',
    'target-stalled',
  ],
  ['Put "http://192.0.2.1/b": dial tcp 192.0.2.1:80: connect: connection refused', 'target-unreachable'],
  ['multi-thread copy: something that nobody has heard of', 'sync-failed'],
])('rclone: %s', (words, code) => {
  const error = failure('rclone', words);
  expect([error.code, error.hint === undefined]).toEqual([code, false]);
});

test('tells neither the signature nor the password of an address', () => {
  const words =
    'caused by: Put "https://bucket.example.org/live/x?X-Amz-Credential=AKID&X-Amz-Signature=0a1b": EOF at https://me:word@dav.example.org/x';
  const { message } = failure('rclone', words);
  expect(message).toContain('Put "https://bucket.example.org/live/x": EOF at https://dav.example.org/x');
  expect(message).not.toMatch(/AKID|0a1b|word/);
});
