/** Debian's own source packages, fetched by apt's own tools through a private configuration. */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { machineSources } from '../../../shared/config/machine.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';
import type { AptSource } from '../../../shared/protocol/job.ts';

const UPDATE_TIMEOUT_MS = 90_000;

/**
 * Downloads source package `name` into `folder` and returns the path of its .dsc, from `sources` or else the
 * machine's own. The machine's apt state is not touched: lists and settings live below `folder`. Throws when the
 * archive is not reachable.
 */
export async function fetchSource(name: string, folder: string, sources?: AptSource[]): Promise<string> {
  const root = path.join(folder, 'apt');
  for (const part of [
    'etc/sources.list.d',
    'state/lists/partial',
    'cache/archives/partial',
    'etc/preferences.d',
    'etc/apt.conf.d',
  ]) {
    await mkdir(path.join(root, part), { recursive: true });
  }
  await chmod(folder, 0o755);
  const stanzas = (sources ?? (await machineSources())).map((source) =>
    [
      'Types: deb-src',
      `URIs: ${source.uris.join(' ')}`,
      `Suites: ${source.suites.join(' ')}`,
      `Components: ${source.components.join(' ')}`,
      `Signed-By: ${source.keyring ?? ''}`,
      '',
    ].join('\n'),
  );
  await writeFile(path.join(root, 'etc/sources.list.d/demo.sources'), stanzas.join('\n'));
  const configuration = path.join(root, 'apt.conf');
  await writeFile(
    configuration,
    [
      `Dir::Etc "${root}/etc";`,
      `Dir::State "${root}/state";`,
      `Dir::Cache "${root}/cache";`,
      'Dir::State::status "/var/lib/dpkg/status";',
      `APT::Sandbox::User "";`,
      'Acquire::Languages "none";',
      '',
    ].join('\n'),
  );
  const options = {
    cwd: folder,
    env: minimalEnvironment({ APT_CONFIG: configuration }),
    timeoutMs: UPDATE_TIMEOUT_MS,
  };
  await runChecked(['apt-get', '-q', '-o', 'APT::Update::Error-Mode=any', 'update'], options);
  await runChecked(['apt-get', '-q', 'source', '--download-only', '--only-source', name], options);
  const dsc = (await readdir(folder)).find((file) => file.startsWith(`${name}_`) && file.endsWith('.dsc'));
  if (dsc) return path.join(folder, dsc);
  throw new AppError('source-not-fetched', `apt-get source ${name} left no .dsc`);
}
