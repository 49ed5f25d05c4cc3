/** What pool.test.ts asks. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { answerAll } from './thread.ts';

export type Question = { say: string } | { refuse: string } | { open: string } | { end: true };

let answered = 0;

answerAll(async (question: Question) => {
  if ('end' in question) process.exit(3);
  if ('refuse' in question) throw new AppError(question.refuse, 'so it is');
  if ('open' in question) await (await import('node:fs/promises')).open(question.open);
  answered += 1;
  return { said: 'say' in question ? question.say : '', answered };
});
