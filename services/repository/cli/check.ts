/** `autobuilder check` */
import { cellText, printJson } from '../../../shared/cli/output.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import type { Repository } from '../context.ts';
import { FINDINGS, type Finding } from '../upkeep/check/findings.ts';
import { checkRepository } from '../upkeep/check/run.ts';
import { withRepository } from './context.ts';

/** Between lines about how far it is. */
const PROGRESS_MS = 2_000;
const MIB = 1024 * 1024;
const BLOCKED =
  'not asked for: a sync by content mends nothing while the pool has files that were not published; see above, then again';

interface Options {
  quick?: boolean;
  repair?: boolean;
  queue?: string;
  product?: string;
  json?: boolean;
}

export function addCheckCommand(cli: Cli): void {
  cli.program
    .command('check')
    .description(
      'compare database, pool, generations and live targets, those elsewhere by names and sizes; exit code 1 when anything is wrong',
    )
    .option('--quick', 'by size and time; default: byte for byte')
    .option('--repair', 'put right what can be put right without deleting or making up published content')
    .option('--queue <name>', 'default: all')
    .option('--product <name>', 'default: all')
    .option('--json', 'as JSON')
    .action((options: Options) => withRepository((repository) => check(cli, repository, options)));
}

async function check(cli: Cli, repository: Repository, options: Options): Promise<void> {
  const { quick, queue, product } = options;
  const findings = await checkRepository(repository, {
    ...{ isQuick: quick === true, repair: options.repair === true, onProgress: tellProgress(cli) },
    ...(queue === undefined ? {} : { queue }),
    ...(product === undefined ? {} : { product }),
  });
  if (findings.length > 0) process.exitCode = 1;
  if (options.json) return printJson(cli.output, findings.map(findingItem));
  for (const finding of findings) printFinding(cli, finding);
  cli.output.out(`${summary(findings)}\n`);
}

/** `8 findings: 3 repaired, 1 asked, 4 for a person`; without repairs what one could do. */
function summary(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'everything is as it should be';
  const counts = Map.groupBy(findings, ({ code, outcome }) => {
    if (FINDINGS[code].repair === null) return 'for a person';
    return outcome ?? 'for --repair';
  });
  const parts = [...counts].map(([what, each]) => `${String(each.length)} ${what}`);
  return `${String(findings.length)} ${findings.length === 1 ? 'finding' : 'findings'}: ${parts.join(', ')}`;
}

/** A line at each queue, and now and then while much is read. */
function tellProgress(
  cli: Cli,
): (progress: { at: { queue: string; product: string }; bytes: number }) => void {
  let told = '';
  let atMs = 0;
  return ({ at, bytes }) => {
    const where = `${at.queue}/${at.product}`;
    if (where === told && Date.now() - atMs < PROGRESS_MS) return;
    told = where;
    atMs = Date.now();
    cli.output.err(`${where}: ${String(Math.round(bytes / MIB))} MiB read\n`);
  };
}

function findingItem({ outcome, copies, ...finding }: Finding): object {
  return { ...finding, ...FINDINGS[finding.code], copies, outcome };
}

function printFinding(cli: Cli, finding: Finding): void {
  const { code, queue, product, subject, detail, copies, outcome } = finding;
  const { means, repair, person } = FINDINGS[code];
  const where = queue === '' ? '' : `${queue}/${product} `;
  cli.output.out(`${code}: ${where}${cellText(subject)}\n  ${cellText(detail)}\n  for clients: ${means}\n`);
  if (repair === null) cli.output.out(`  by hand: ${person}\n`);
  else if (outcome === null) cli.output.out(`  --repair: ${repair}\n`);
  else cli.output.out(`  repair: ${outcome === 'blocked' ? BLOCKED : outcome}\n`);
  const heading = repair === null ? 'a copy may be in' : 'intact';
  for (const copy of copies) cli.output.out(`  ${heading}: ${cellText(copy)}\n`);
}
