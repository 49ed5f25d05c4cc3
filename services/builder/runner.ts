/**
 * The runner: what garage copies to a builder host as one bundled file and starts there. The protocol is
 * shared/protocol/job.ts.
 */
import { main } from './cli/main.ts';

process.exitCode = await main(process.argv.slice(2));
