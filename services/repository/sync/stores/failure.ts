/** What a failure of rsync, ssh or rclone says about a target. */
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { RunResult } from '../../../../shared/process/run.ts';
import type { Target } from '../targets.ts';

/** Enough of a child's last words to know; the rest is in its own log. */
const MAX_WORDS = 400;

const FULL = /no space left|disk full|disk quota exceeded|quota exceeded/i;
const READ_ONLY = /permission denied \(13\)|read[- ]only|mkdir .* failed|mkstemp .* failed/i;
const STALLED = /timeout in data|i\/o timeout|timeout a?waiting/i;
const AWAY =
  /connection (refused|reset|timed out|closed)|could not resolve|no route to host|failed to connect|network is unreachable|host key verification failed|permission denied \(publickey|connection unexpectedly closed|auth failed|no such host|dial tcp|couldn't connect|unknown module/i;

/** What stores say, by rclone: S3's codes, the statuses of HTTP. Before anything else: the words are precise. */
const REFUSALS: { words: RegExp; code: string; what: string; hint: string }[] = [
  {
    words: /didn't find section in config file/,
    ...{ code: 'target-unreachable', what: 'is not reached' },
    hint: 'Its configFile has no remote of this name; see: rclone --config FILE listremotes.',
  },
  {
    words: /NoSuchBucket|BucketNotFound/,
    ...{ code: 'target-unreachable', what: 'has no such bucket' },
    hint: 'Make the bucket, or correct its name in the url: after rclone:REMOTE: comes BUCKET/PATH.',
  },
  {
    words: /AccessDenied/,
    ...{ code: 'target-not-writable', what: 'cannot be written' },
    hint: 'The account of configFile must be allowed to list the bucket, and to read, write and delete in it.',
  },
  {
    words: /InvalidAccessKeyId|SignatureDoesNotMatch|\bForbidden\b|\bUnauthorized\b/,
    ...{ code: 'target-unreachable', what: 'refuses the account' },
    hint: 'Look at the key and its secret in configFile, and that the account may list, read and write there.',
  },
];

/** By the exit codes of rsync(1) and the words of all three. */
export function syncFailure(program: string, result: RunResult, target: Target): AppError {
  const words = withoutSecrets(result.stderr.toString('utf8').trim());
  const tail = words.slice(-MAX_WORDS).replaceAll(/\s*\n\s*/g, '; ');
  const how = result.endedBy ?? (result.signal ? `signal ${result.signal}` : `exit ${String(result.code)}`);
  const say = (code: string, what: string, hint: string): AppError =>
    new AppError(code, `${target.text} ${what} (${program}: ${how})${tail === '' ? '' : `: ${tail}`}`, {
      hint,
      detail: { program, how },
    });
  if (/setpriv: failed to execute/.test(words))
    return say('target-tool-missing', `needs ${program}`, `Install it: apt install ${program}.`);
  if (result.endedBy === 'abort') return say('sync-ended', 'was left', 'It goes on at the next start.');
  const refusal = program === 'rclone' ? REFUSALS.find((each) => each.words.test(words)) : undefined;
  if (refusal) return say(refusal.code, refusal.what, refusal.hint);
  if (result.endedBy === 'timeout' || result.code === 30 || STALLED.test(words))
    return say(
      'target-stalled',
      'has stalled',
      'It answers, and moves nothing: look at its load and its disk.',
    );
  if (FULL.test(words)) return say('target-full', 'is full', 'Free space there.');
  if (isAway(program, result, words))
    return say(
      'target-unreachable',
      'is not reached',
      'Try the address, the key and the known host by hand.',
    );
  if (READ_ONLY.test(words))
    return say('target-not-writable', 'cannot be written', 'The account there must own the folder.');
  return say('sync-failed', 'could not be brought up to date', 'See the message; it is tried again.');
}

/** Signed addresses open a store for some minutes, and some hold a password. */
function withoutSecrets(words: string): string {
  return words.replaceAll(/(https?:\/\/)(?:[^\s"/?]*@)?([^\s"?]*)(?:\?[^\s"]*)?/g, '$1$2');
}

function isAway(program: string, { code }: RunResult, words: string): boolean {
  if (program === 'ssh' || program === 'rsync') {
    // rsync: 5 starting the protocol, 10 socket, 12 stream, 35 connecting; 255 is ssh's own.
    if (code !== null && [5, 10, 35, 255].includes(code)) return true;
  }
  return AWAY.test(words);
}
