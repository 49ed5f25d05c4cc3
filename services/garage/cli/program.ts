import { Command, CommanderError } from 'commander';
import { AppError } from '../../../shared/errors/app-error.ts';
import { addAccountCommands } from './accounts.ts';
import { addBaseCommands } from './bases.ts';
import { addBuildCommands } from './builds.ts';
import { addCheckCommands } from './checks.ts';
import type { Cli } from './context.ts';
import { addHostCommands } from './hosts.ts';
import { addHowtoCommands } from './howto.ts';
import { addInstallCheckCommand } from './install-check.ts';
import type { Output } from './io.ts';
import { addMaintainerCommands } from './maintainers.ts';
import { addMailCommands } from './mails.ts';
import { addQueueCommands } from './queues.ts';
import { addShellCommand } from './shell.ts';
import { addSourceCommands } from './sources.ts';
import { addUploadCommands } from './uploads.ts';

export const EXIT_OK = 0;
export const EXIT_ERROR = 1;
export const EXIT_USAGE = 2;

/** Runs one command line; returns the exit code. Errors end in one line and perhaps a hint, never a stack. */
export async function runCommandLine(args: string[], output: Output): Promise<number> {
  const program = new Command('autobuilder')
    .description('Autobuilder: upload, build, publish and promote Debian packages')
    .configureOutput({ writeOut: (text) => output.out(text), writeErr: (text) => output.err(text) })
    .showSuggestionAfterError()
    .exitOverride();
  const cli: Cli = { output, program };
  addAccountCommands(cli);
  addMaintainerCommands(cli);
  addUploadCommands(cli);
  addBuildCommands(cli);
  addHostCommands(cli);
  addSourceCommands(cli);
  addQueueCommands(cli);
  addMailCommands(cli);
  addInstallCheckCommand(cli);
  addCheckCommands(cli);
  addBaseCommands(cli);
  addShellCommand(cli);
  addHowtoCommands(cli);
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
