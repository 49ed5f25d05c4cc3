/** What bin/buildme runs: one round by hand, talking as it always has. */
import { Command, CommanderError } from 'commander';
import { AppError } from '../../../shared/errors/app-error.ts';
import { buildmeRound, type RoundResult } from '../buildme/round.ts';
import { retryFailed } from '../buildme/retry.ts';
import type { Garage } from '../context.ts';
import { deliverMails } from '../mail/deliver.ts';
import { EVERY_UPLOAD, onlyUploadOf } from '../uploads/only.ts';
import { stamp } from '../../../shared/cli/stamp.ts';
import { withGarage } from './context.ts';
import { dispatchOnce } from './dispatch-once.ts';
import { TERMINAL } from '../../../shared/cli/output.ts';
import { EXIT_ERROR, EXIT_OK, EXIT_USAGE, printError } from '../../../shared/cli/program.ts';

const EXIT_BUSY = 3;

const HELP = `
Where no garage service runs, buildme also builds what waits and sends mail.

--retry without a name puts back what failed by no fault of a package: builds that hosts gave back or broke,
that the repository refused, and uploads that could not be finished. With a name it puts back every failed
build of that source's newest version. Cancelled builds stay cancelled.

Exit status: 0, nothing was rejected and nothing failed (with --dry-run: nothing would be); 1, something was,
or there is no such upload or source; 2, it was called wrongly; 3, another round is running (it says whose).`;

interface Options {
  build: boolean;
  dryRun?: boolean;
  only?: string;
  /** true: without a name. */
  retry?: string | true;
}

async function main(args: string[]): Promise<number> {
  const command = new Command('buildme')
    .description('take, verify and decide every upload that is whole; build where no garage service does')
    .option('--dry-run', 'say what would happen, change nothing')
    .option('--only <file>', 'this upload only: a file of it by name, or by path; builds nothing')
    .option('--retry [source]', 'first put failed builds and stuck uploads back to work')
    .option('--no-build', 'leave builds and mail to the garage service')
    .addHelpText('after', HELP)
    .exitOverride()
    .parse(args, { from: 'user' });
  const options = command.opts<Options>();
  if (options.dryRun && options.retry !== undefined) {
    throw new AppError('usage', '--retry changes things, and --dry-run changes nothing', {
      hint: 'Give one of the two.',
    });
  }
  return withGarage((garage) => oneRound(garage, options));
}

async function oneRound(garage: Garage, options: Options): Promise<number> {
  const { dryRun: isDry = false, only } = options;
  if (options.retry !== undefined) await retry(garage, options.retry);
  const isWanted = only === undefined ? EVERY_UPLOAD : onlyUploadOf(only);
  const result = await buildmeRound(garage, { onLine, isDry, isWanted });
  if (result.kind === 'busy') return EXIT_BUSY;
  if (only !== undefined && result.outcomes.length === 0) {
    throw new AppError('upload-unknown', `No upload that waits holds '${only}'`, {
      hint: 'buildme --dry-run shows what waits.',
    });
  }
  let failed = failures(result);
  if (options.build && !isDry && only === undefined) {
    const dispatched = await dispatchOnce(garage, onLine, stopSignal());
    failed += dispatched.failed;
    if (dispatched.isOurs) await deliverMails(garage);
  }
  return failed === 0 ? EXIT_OK : EXIT_ERROR;
}

async function retry(garage: Garage, source: string | true): Promise<void> {
  const { builds, uploads } = await retryFailed(garage, source === true ? null : source);
  for (const build of builds) {
    say(
      `RETRY: ${build.source} ${build.version} ${build.architecture} for ${build.product}, was ${build.status}`,
    );
  }
  if (uploads > 0) say(`RETRY: ${String(uploads)} unfinished ${uploads === 1 ? 'upload' : 'uploads'}`);
  if (builds.length === 0 && uploads === 0) say('RETRY: there is nothing to try again');
}

function say(text: string): void {
  onLine(`[${stamp(new Date())}] ${text}`);
}

function onLine(line: string): void {
  TERMINAL.out(`${line}\n`);
}

function failures(result: RoundResult & { kind: 'done' }): number {
  return result.outcomes.filter(
    (outcome) => outcome.kind === 'failed' || ('status' in outcome && outcome.status === 'rejected'),
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
    process.exitCode = error instanceof AppError && error.code === 'usage' ? EXIT_USAGE : EXIT_ERROR;
  }
}
