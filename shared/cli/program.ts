/** The frame of every command line: usage, errors, exit codes. */
import { Command, CommanderError } from 'commander';
import { AppError } from '../errors/app-error.ts';
import type { Output } from './output.ts';

export const EXIT_OK = 0;
export const EXIT_ERROR = 1;
export const EXIT_USAGE = 2;

/** What a function that adds commands is given. */
export interface Cli {
  output: Output;
  program: Command;
}

/**
 * Runs one command line of `autobuilder` with the commands that are added; returns the exit code. Errors end in
 * one line and perhaps a hint, never a stack. A command sets another code by `process.exitCode`.
 */
export async function runProgram(
  adders: readonly ((cli: Cli) => void)[],
  args: string[],
  output: Output,
): Promise<number> {
  const program = new Command('autobuilder')
    .description('Autobuilder: upload, build, publish and promote Debian packages')
    .configureOutput({ writeOut: (text) => output.out(text), writeErr: (text) => output.err(text) })
    .showSuggestionAfterError()
    .exitOverride();
  for (const add of adders) add({ output, program });
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    printError(output, error);
    return EXIT_ERROR;
  }
}

/** `error: ...` and `hint: ...`; the stack with LOG_LEVEL=debug only. */
export function printError(output: Output, error: unknown): void {
  if (error instanceof AppError) {
    output.err(`error: ${error.message}\n`);
    if (error.hint !== undefined) output.err(`hint: ${error.hint}\n`);
  } else {
    output.err(`error: ${plainMessage(error)}\n`);
  }
  if (process.env['LOG_LEVEL'] === 'debug' && error instanceof Error) output.err(`${error.stack ?? ''}\n`);
}

/** Connections to several addresses fail with an empty message and their errors beside it. */
function plainMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(plainMessage).join('; ');
  }
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ');
}
