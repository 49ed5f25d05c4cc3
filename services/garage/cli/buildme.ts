/**
 * What bin/buildme runs: one round by hand, talking as it always has. Where no garage service runs, it
 * builds and sends mail too. Exit status: 0, nothing was rejected and nothing failed; 1, something was;
 * 2, it was called wrongly; 3, another round is running.
 */
import { Command, CommanderError } from 'commander';
import { buildmeRound, type RoundResult } from '../buildme/round.ts';
import { deliverMails } from '../mail/deliver.ts';
import { withGarage } from './context.ts';
import { dispatchOnce } from './dispatch-once.ts';
import { TERMINAL } from './io.ts';
import { EXIT_ERROR, EXIT_OK, EXIT_USAGE, printError } from './program.ts';

const EXIT_BUSY = 3;

interface Options {
  build: boolean;
}

async function main(args: string[]): Promise<number> {
  const command = new Command('buildme')
    .description('take, verify and decide every upload that is whole; build where no garage service does')
    .option('--no-build', 'leave builds and mail to the garage service')
    .exitOverride()
    .parse(args, { from: 'user' });
  const { build } = command.opts<Options>();
  return withGarage(async (garage) => {
    const result = await buildmeRound(garage, { onLine });
    if (result.kind === 'busy') return EXIT_BUSY;
    let failed = failures(result);
    if (build) {
      const dispatched = await dispatchOnce(garage, onLine, stopSignal());
      failed += dispatched.failed;
      if (dispatched.isOurs) await deliverMails(garage);
    }
    return failed === 0 ? EXIT_OK : EXIT_ERROR;
  });
}

function onLine(line: string): void {
  TERMINAL.out(`${line}\n`);
}

function failures(result: RoundResult & { kind: 'done' }): number {
  return result.outcomes.filter(
    (outcome) => outcome.kind === 'failed' || (outcome.kind === 'decided' && outcome.status === 'rejected'),
  ).length;
}

/** Aborted by Ctrl-C or TERM: what was decided stays, builds go on on their hosts. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  else {
    printError(TERMINAL, error);
    process.exitCode = EXIT_ERROR;
  }
}
