import type { z } from 'zod';
import { loadConfig, type Loaded, type SectionName } from '../config/load.ts';
import { AppError } from '../errors/app-error.ts';
import { printJson } from './output.ts';
import type { Cli } from './program.ts';

type Sections = Partial<Record<SectionName, z.ZodType>>;

/** What is right by itself and does not fit to what there is: sentences with a place in the file, or notes without. */
export interface Findings {
  problems: { at: PropertyKey[]; says: string }[];
  /** What could not be looked at, and why. */
  notes: string[];
}

/** `config check` over what all services share and the given sections: on one machine, all there are. */
export function configCommands<S extends Sections>(
  sections: S,
  compare: (loaded: Loaded<{ [K in keyof S]: z.infer<S[K] & z.ZodType> }>) => Promise<Findings>,
): (cli: Cli) => void {
  return (cli) => {
    cli.program
      .command('config')
      .description('the configuration')
      .command('check')
      .description(`check what all services share, and the sections ${Object.keys(sections).join(', ')}`)
      .option('--json', 'as JSON')
      .action((options: { json?: boolean }) => checkConfig(cli, sections, compare, options.json ?? false));
  };
}

async function checkConfig<S extends Sections>(
  cli: Cli,
  sections: S,
  compare: (loaded: Loaded<{ [K in keyof S]: z.infer<S[K] & z.ZodType> }>) => Promise<Findings>,
  json: boolean,
): Promise<void> {
  const loaded = await loadConfig(sections);
  const { home, file } = loaded;
  const common = await loaded.common();
  const { problems, notes } = await compare(loaded);
  if (problems.length > 0) {
    const lines = problems.map(({ at, says }) => `${loaded.where(at)}: ${says}`);
    throw new AppError('config-unfit', lines.join('\n'));
  }
  const products = common.products.map(({ name }) => name);
  const queues = common.queues.map(({ name }) => name);
  if (json) return printJson(cli.output, { file, home: home.root, products, queues, notes });
  cli.output.out(`${file ?? 'no configuration file; the defaults'}: ok\n`);
  cli.output.out(`home ${home.root}, products ${products.join(' ')}, queues ${queues.join(' ')}\n`);
  for (const note of notes) cli.output.out(`note: ${note}\n`);
}
