/** The runner's command line, as shared/protocol/job.ts fixes it. */
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { attemptAt, usageError } from '../build/attempt.ts';
import { useSystemPath } from '../build/host-tools.ts';
import { insideShell } from '../target/inside-shell.ts';
import { inside } from '../target/inside.ts';
import { base } from './base.ts';
import { bases } from './bases.ts';
import { cancel, remove } from './end.ts';
import { EXIT } from './exit-codes.ts';
import { follow } from './follow.ts';
import { probe } from './probe.ts';
import { shell } from './shell.ts';
import { runDetached, start } from './start.ts';

const USAGE = `usage: runner.mjs start  <attempt folder>
       runner.mjs follow <attempt folder> <offset>
       runner.mjs cancel <attempt folder>
       runner.mjs remove <attempt folder>
       runner.mjs probe  <workdir>
       runner.mjs base   <attempt folder>
       runner.mjs bases  <workdir>
       runner.mjs shell  <attempt folder> [<terminal>,<rows>,<columns>]`;

type Command = (folder: string, offset: string | undefined) => Promise<number>;

function parseOffset(text: string | undefined): number {
  if (text !== undefined && /^[0-9]{1,15}$/.test(text)) return Number(text);
  throw usageError(`'${text ?? ''}' is no offset in bytes`);
}

const COMMANDS: Record<string, Command> = {
  start: (folder) => start(attemptAt(folder)),
  run: (folder) => runDetached(attemptAt(folder)),
  follow: (folder, offset) => follow(attemptAt(folder), parseOffset(offset)),
  cancel: (folder) => cancel(attemptAt(folder)),
  remove: (folder) => remove(attemptAt(folder)),
  probe: (folder) => probe(folder),
  base: (folder) => base(attemptAt(folder)),
  bases: (folder) => bases(folder),
  shell: (folder, terminal) => shell(attemptAt(folder), terminal),
};

function refuseRoot(): void {
  if (process.getuid?.() !== 0) return;
  throw usageError(
    'The runner never runs as root',
    'Run it as an unprivileged user that has ranges in /etc/subuid and /etc/subgid',
  );
}

async function dispatch(argv: string[]): Promise<number> {
  const [name = '', folder, offset, ...more] = argv;
  if (name === 'inside-shell') return insideShell(folder ?? '', offset ?? '');
  if (name === 'inside') {
    await inside(); // root, but of a namespace only
    return EXIT.ok;
  }
  refuseRoot();
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const expected = name === 'shell' || (name === 'follow' ? offset !== undefined : offset === undefined);
  if (command === undefined || folder === undefined || !expected || more.length > 0) throw usageError(USAGE);
  return command(folder, offset);
}

/** Runs one command line; errors go to stderr as one line and a hint. Gives the exit code. */
export async function main(argv: string[]): Promise<number> {
  process.umask(0o022); // targets have other users, who read what we put in
  useSystemPath();
  // A reader that goes away ends `follow` without a word.
  process.stdout.on('error', () => process.exit(EXIT.generic));
  try {
    return await dispatch(argv);
  } catch (error) {
    const hint = error instanceof AppError && error.hint !== undefined ? `\n${error.hint}` : '';
    process.stderr.write(`runner: ${messageOf(error)}${hint}\n`);
    return error instanceof AppError && error.code === 'usage' ? EXIT.usage : EXIT.generic;
  }
}
