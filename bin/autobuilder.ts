/** The command line: each service brings its own commands. */
import { TERMINAL, type Output } from '../shared/cli/output.ts';
import { runProgram } from '../shared/cli/program.ts';
import { addGarageCommands } from '../services/garage/cli/commands.ts';
import { addRepositoryCommands } from '../services/repository/cli/commands.ts';

/** Runs one command line; returns the exit code. */
export function runCommandLine(args: string[], output: Output): Promise<number> {
  return runProgram([addGarageCommands, addRepositoryCommands], args, output);
}

if (import.meta.main) {
  // Output into a pipe that is closed early, as by `| head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const code = await runCommandLine(process.argv.slice(2), TERMINAL);
  process.exitCode ??= code;
}
