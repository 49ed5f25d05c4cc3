/** `autobuilder howto ...`: the configuration is enough; the database adds places to fetch from. */
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { loginName } from '../../../shared/protocol/names.ts';
import { installHowto } from '../howto/install.ts';
import { fetchLocations } from '../howto/locations.ts';
import type { Snippet } from '../howto/snippet.ts';
import { uploadHowto } from '../howto/upload.ts';
import { chooseProduct } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { loadGarageConfig, withGarage } from './context.ts';
import { printJson } from '../../../shared/cli/output.ts';

interface UploadOptions {
  product?: string;
  login?: string;
  dput?: boolean;
  json?: boolean;
}

interface InstallOptions {
  product?: string;
  queue?: string;
  json?: boolean;
}

/** Adds both command groups to the program. */
export function addHowtoCommands(cli: Cli): void {
  const howto = cli.program.command('howto').description('settings to copy, filled in');
  howto
    .command('upload')
    .description('for dput, dput-ng, dupload, scp and sftp')
    .option('--product <name>', 'default: the only one')
    .option('--login <login>', 'whose')
    .option('--dput', 'the stanza for dput.cf alone')
    .option('--json', 'as JSON')
    .action((options: UploadOptions) => showUpload(cli, options));
  howto
    .command('install')
    .description('for apt')
    .option('--product <name>', 'default: the only one')
    .option('--queue <name>', 'default: the last, the most trusted')
    .option('--json', 'as JSON')
    .action((options: InstallOptions) => showInstall(cli, options));
}

async function showUpload(cli: Cli, options: UploadOptions): Promise<void> {
  const { sections, ...loaded } = await loadGarageConfig();
  const common = await loaded.common();
  const product = chooseProduct(common.products, options.product).name;
  const { login } = options;
  if (login !== undefined && !loginName.safeParse(login).success) {
    throw new AppError('login-invalid', `'${login}' is not a login`);
  }
  const snippets = uploadHowto({
    ...{ site: common.name, product, ...sections.garage.upload },
    ...(login === undefined ? {} : { login }),
  });
  printSnippets(cli, options.dput ? snippets.filter(({ id }) => id === 'dput') : snippets, options);
}

async function showInstall(cli: Cli, options: InstallOptions): Promise<void> {
  const { sections, ...loaded } = await loadGarageConfig();
  const common = await loaded.common();
  const product = chooseProduct(common.products, options.product);
  const queue = options.queue
    ? common.queues.find(({ name }) => name === options.queue)
    : (common.queues.at(-1) ?? common.queues[0]);
  if (!queue) {
    throw new AppError('queue-unknown', `There is no queue '${options.queue ?? ''}'`, {
      hint: `Known: ${common.queues.map(({ name }) => name).join(', ')}`,
    });
  }
  const snippets = installHowto({
    ...{ site: common.name, locations: await locationsOf(cli, queue.name, sections.garage.repositoryUrl) },
    ...{ queue: queue.name, notAutomatic: queue.notAutomatic },
    ...{ product: product.name, components: product.components },
  });
  printSnippets(cli, snippets, options);
}

/** A person who asks for a snippet is helped without the database too. */
async function locationsOf(
  cli: Cli,
  queue: string,
  repositoryUrl: string,
): Promise<readonly [string, ...string[]]> {
  try {
    return await withGarage((garage) => fetchLocations(garage.pool, queue, repositoryUrl));
  } catch (error) {
    cli.output.err(`the database does not answer (${messageOf(error)}): repositoryUrl alone is shown\n`);
    return [repositoryUrl];
  }
}

/** A single one is printed alone, ready for a file. */
function printSnippets(cli: Cli, snippets: Snippet[], options: { json?: boolean }): void {
  if (options.json) return printJson(cli.output, snippets);
  const [only, another] = snippets;
  if (only && !another) return cli.output.out(`${only.text}\n`);
  const texts = snippets.map(({ title, file, text, note }) => {
    const heading = `# ${title}${file === undefined ? '' : `: ${file}`}`;
    return `${heading}\n\n${text}\n\n${note}\n`;
  });
  cli.output.out(texts.join('\n'));
}
