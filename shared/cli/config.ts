import type { z } from 'zod';
import { loadConfig, type SectionName } from '../config/load.ts';
import { printJson } from './output.ts';
import type { Cli } from './program.ts';

/** `config check` over what all services share and the given sections: on one machine, all there are. */
export function configCommands(sections: Partial<Record<SectionName, z.ZodType>>): (cli: Cli) => void {
  return (cli) => {
    cli.program
      .command('config')
      .description('the configuration')
      .command('check')
      .description(`check what all services share, and the sections ${Object.keys(sections).join(', ')}`)
      .option('--json', 'as JSON')
      .action((options: { json?: boolean }) => checkConfig(cli, sections, options.json ?? false));
  };
}

async function checkConfig(
  cli: Cli,
  sections: Partial<Record<SectionName, z.ZodType>>,
  json: boolean,
): Promise<void> {
  const { home, file, ...loaded } = await loadConfig(sections);
  const common = await loaded.common();
  const products = common.products.map(({ name }) => name);
  const queues = common.queues.map(({ name }) => name);
  if (json) return printJson(cli.output, { file, home: home.root, products, queues });
  cli.output.out(`${file ?? 'no configuration file; the defaults'}: ok\n`);
  cli.output.out(`home ${home.root}, products ${products.join(' ')}, queues ${queues.join(' ')}\n`);
}
