/** `autobuilder mirror ...`: local mirrors of other archives. */
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { printJson } from '../../../shared/cli/output.ts';
import { printError, type Cli } from '../../../shared/cli/program.ts';
import { mirrorName } from '../../../shared/protocol/names.ts';
import type { Repository } from '../context.ts';
import { mirrorSettings, mirrorSuites, mirrorUrl } from '../mirror/definition.ts';
import { probeArchive } from '../mirror/probe.ts';
import { insertMirror, listMirrors } from '../mirror/rows.ts';
import { redefineMirror, removeMirror, updateMirror } from '../mirror/run.ts';
import type { UpdateReport } from '../mirror/update.ts';
import { withRepository } from './context.ts';
import { addMirrorOptions, collect, readKeys, readSettings, type MirrorOptions } from './mirror-options.ts';
import { createProgressLine } from './mirror-progress.ts';
import { productsFrom, showMirror, showMirrors } from './mirror-show.ts';

interface UpdateCommandOptions {
  dryRun?: boolean;
  recheck?: boolean;
  json?: boolean;
}

/** Adds them to the program. */
export function addMirrorCommands(cli: Cli): void {
  const mirror = cli.program.command('mirror').description('local mirrors of other apt archives');
  addMirrorOptions(
    mirror
      .command('add <name> <url> <suite...>')
      .description('mirror an archive: the address and suites as in sources.list, served as /mirror/NAME/'),
  ).action((name: string, url: string, suites: string[], options: MirrorOptions) =>
    withRepository((repository) => addMirror(cli, repository, { name, url, suites }, options)),
  );
  addMirrorOptions(
    mirror.command('set <name>').description('change what a mirror holds; what is not given stays'),
  )
    .option('--url <address>', 'the archive has moved')
    .option('--suite <name>', 'in place of those before; may be repeated', collect)
    .action((name: string, options: MirrorOptions & { url?: string; suite?: string[] }) =>
      withRepository((repository) => setMirror(cli, repository, name, options)),
    );
  mirror
    .command('list')
    .description('all mirrors; exit code 1 when the last update of one failed')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      withRepository((repository) => showMirrors(cli, repository, options.json ?? false)),
    );
  mirror
    .command('show <name>')
    .description('one mirror, and the entry for sources.list.d')
    .option('--url <address>', 'of live, as clients know it (default: live.listen)')
    .option('--json', 'as JSON')
    .action((name: string, options: { url?: string; json?: boolean }) =>
      withRepository((repository) => showMirror(cli, repository, name, options)),
    );
  mirror
    .command('update [name...]')
    .description('bring mirrors up to date now (default: all)')
    .option('--dry-run', 'read the indexes and say what would be fetched')
    .option('--recheck', 'take the sum of every file anew')
    .option('--json', 'as JSON')
    .action((names: string[], options: UpdateCommandOptions) =>
      withRepository((repository) => updateMirrors(cli, repository, names, options)),
    );
  mirror
    .command('remove <name>')
    .description('forget a mirror and remove its files')
    .option('--keep-files', 'only forget it')
    .option('--force', 'also when a product is built from it')
    .action((name: string, options: { keepFiles?: boolean; force?: boolean }) =>
      withRepository(async (repository) => {
        if (options.force !== true) requireUnused(repository, name);
        await removeMirror(repository, name, { keepFiles: options.keepFiles ?? false });
        cli.output.out(`removed ${name}\n`);
      }),
    );
}

/** Throws `mirror-in-use`. */
function requireUnused({ common }: Repository, name: string): void {
  const products = productsFrom(common, name);
  if (products.length === 0) return;
  throw new AppError('mirror-in-use', `The mirror '${name}' is a source of ${products.join(', ')}`, {
    hint: 'Take it out of the configuration first, or give --force: builds wait until there is one of that name.',
  });
}

async function addMirror(
  cli: Cli,
  repository: Repository,
  typed: { name: string; url: string; suites: string[] },
  options: MirrorOptions,
): Promise<void> {
  const name = mirrorName.safeParse(typed.name);
  if (!name.success) throw new AppError('mirror-name-invalid', name.error.issues[0]?.message ?? '');
  if (options.keyring === undefined) {
    throw new AppError('mirror-keyring-missing', 'The keys that may sign the archive are missing', {
      hint: 'Give them with --keyring FILE, such as /usr/share/keyrings/debian-archive-keyring.gpg',
    });
  }
  const keys = await readKeys(options.keyring, options.key ?? []);
  const settings = readSettings(options, mirrorSettings.parse({}));
  const [url, suites] = [mirrorUrl(typed.url), mirrorSuites(typed.suites)];
  const wanted = { name: name.data, url, suites, settings, keys };
  if (options.unchecked !== true) await probeArchive(repository, wanted);
  await insertMirror(repository.pool, wanted);
  cli.output.out(
    `added ${name.data}: it is filled at the service's next round, or now by: autobuilder mirror update ${name.data}\n`,
  );
}

async function setMirror(
  cli: Cli,
  repository: Repository,
  name: string,
  options: MirrorOptions & { url?: string; suite?: string[] },
): Promise<void> {
  if (options.key !== undefined && options.keyring === undefined) {
    throw new AppError('mirror-keyring-missing', '--key chooses among the keys of --keyring FILE');
  }
  if (Object.keys(options).length === 0) {
    throw new AppError('mirror-unchanged', 'Nothing to change was given', {
      hint: 'See: autobuilder mirror set --help',
    });
  }
  await redefineMirror(repository, name, async (before) => {
    const wanted = {
      name,
      url: options.url === undefined ? before.url : mirrorUrl(options.url),
      suites: options.suite === undefined ? before.suites : mirrorSuites(options.suite),
      settings: readSettings(options, before.settings),
      keys: options.keyring === undefined ? before.keys : await readKeys(options.keyring, options.key ?? []),
    };
    if (options.unchecked !== true && isOfArchive(options)) await probeArchive(repository, wanted);
    return wanted;
  });
  cli.output.out(`changed ${name}: it holds at the next update\n`);
}

/** True when the archive can tell whether it is right. */
function isOfArchive(options: MirrorOptions & { url?: string; suite?: string[] }): boolean {
  const { url, suite, keyring, component, architecture, auth, ca } = options;
  return [url, suite, keyring, component, architecture, auth, ca].some((each) => each !== undefined);
}

/** One after the other; what goes wrong with one does not stop the next, and makes the exit code 1. */
async function updateMirrors(
  cli: Cli,
  repository: Repository,
  typed: string[],
  options: UpdateCommandOptions,
): Promise<void> {
  const names = typed.length > 0 ? typed : (await listMirrors(repository.pool)).map(({ name }) => name);
  const results: object[] = [];
  for (const name of names) {
    const progress = createProgressLine(cli.output, name);
    try {
      const report = await updateMirror(repository, name, {
        isDryRun: options.dryRun === true,
        isRecheck: options.recheck === true,
        onProgress: progress.show,
      });
      progress.end();
      results.push(reportItem(report));
      if (!options.json) cli.output.out(reportLine(report, options.dryRun === true));
    } catch (error) {
      progress.end();
      process.exitCode = 1;
      const code = error instanceof AppError ? error.code : 'mirror-failed';
      results.push({ mirror: name, error: messageOf(error), code });
      cli.output.err(`${name}: `);
      printError(cli.output, error);
    }
  }
  if (options.json) printJson(cli.output, results);
  else if (names.length === 0) cli.output.out('There are no mirrors\n');
}

function reportItem({ releases: _releases, ...report }: UpdateReport): object {
  return report;
}

function reportLine(report: UpdateReport, isDry: boolean): string {
  const came = `${String(report.fetchedFiles)} files, ${String(report.fetchedBytes)} bytes`;
  const holds = `${String(report.files)} files, ${String(report.bytes)} bytes`;
  const criteria = report.unmet.filter((each) => each.startsWith('--'));
  const relations = report.unmet.length - criteria.length;
  const unmet =
    (criteria.length === 0 ? '' : `; no package is meant by ${criteria.join(', ')}`) +
    (relations === 0 ? '' : `; ${String(relations)} relations without a package`);
  if (isDry) return `${report.mirror}: would fetch ${came}; would hold ${holds}${unmet}\n`;
  const state = report.isChanged ? `generation ${String(report.generation)}` : 'unchanged';
  const gone = report.removedFiles === 0 ? '' : `; removed ${String(report.removedFiles)} files`;
  return `${report.mirror}: ${state}; fetched ${came}; holds ${holds}${gone}${unmet}\n`;
}
