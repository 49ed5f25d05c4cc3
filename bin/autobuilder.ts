/** The command line: each service brings its own commands. */
import { configCommands } from '../shared/cli/config.ts';
import { TERMINAL, type Output } from '../shared/cli/output.ts';
import { runProgram } from '../shared/cli/program.ts';
import { databaseSection } from '../shared/database/pool.ts';
import { builderSection } from '../services/builder/config.ts';
import { dropSection } from '../services/drop/config.ts';
import { addGarageCommands } from '../services/garage/cli/commands.ts';
import { compareMirrors } from '../services/garage/cli/config-mirrors.ts';
import { garageSection } from '../services/garage/config.ts';
import { addRepositoryCommands } from '../services/repository/cli/commands.ts';
import { repositorySection } from '../services/repository/config.ts';
import { liveSection } from '../services/repository/live/config.ts';

const SECTIONS = {
  database: databaseSection,
  drop: dropSection,
  garage: garageSection,
  builder: builderSection,
  repository: repositorySection,
  live: liveSection,
};

/** Runs one command line; returns the exit code. */
export function runCommandLine(args: string[], output: Output): Promise<number> {
  const config = configCommands(SECTIONS, compareMirrors);
  return runProgram([addGarageCommands, addRepositoryCommands, config], args, output);
}

if (import.meta.main) {
  // Output into a pipe that is closed early, as by `| head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const code = await runCommandLine(process.argv.slice(2), TERMINAL);
  process.exitCode ??= code;
}
