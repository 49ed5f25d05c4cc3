/** What bin/autobuilder runs. */
import { TERMINAL } from './io.ts';
import { runCommandLine } from './program.ts';

// Output into a pipe that is closed early, as by `| head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await runCommandLine(process.argv.slice(2), TERMINAL);
