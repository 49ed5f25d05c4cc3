/** `autobuilder` in this process, on a test repository: starting one anew for each command takes seconds. */
import { runCommandLine } from '../../bin/autobuilder.ts';
import type { TestRepository } from './repository-support.ts';

export interface Ended {
  code: number;
  out: string;
  err: string;
}

export async function commandLine(repository: TestRepository, args: readonly string[]): Promise<Ended> {
  const ended = { code: 0, out: '', err: '' };
  const before = { ...process.env };
  Object.assign(process.env, repository.env);
  try {
    const output = {
      out: (text: string) => void (ended.out += text),
      err: (text: string) => void (ended.err += text),
    };
    ended.code = await runCommandLine([...args], output);
  } finally {
    process.env = before;
  }
  return ended;
}
