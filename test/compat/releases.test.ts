/**
 * The apt of an older and of a newer release, in systems of their own made from the machine's archive; a minute each on a
 * cold machine, so this belongs to the long form (`npm run test:long`).
 */
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { machineArchitecture, machineSources } from '../../shared/config/machine.ts';
import { minimalEnvironment, run, runChecked } from '../../shared/process/run.ts';
import { sourcesText } from './client-root.ts';
import { openPublished, type Published } from './published.ts';

/** A system's packages come over the net. */
const SYSTEM_MS = 600_000;
const KEY = '/usr/share/keyrings/autobuilder.gpg';

describe.runIf(process.env['AUTOBUILDER_LONG'] !== undefined)('a whole system', () => {
  let live: Published;

  beforeAll(async () => {
    live = await openPublished();
    const architecture = await machineArchitecture();
    const binaries = [
      { name: 'tool', architecture, fields: { Depends: 'tool-data (= 1.0)' } },
      { name: 'tool-data', architecture: 'all' },
    ];
    await live.publish({ source: 'tool', architecture, binaries });
  });
  afterAll(() => live.close());

  async function makeSystem(release: string): Promise<string> {
    const root = path.join(live.repository.home.root, release);
    const [source] = await machineSources();
    const line = `deb [signed-by=${source?.keyring ?? ''}] ${source?.uris[0] ?? ''} ${release} main`;
    const argv = ['mmdebstrap', '--variant=apt', '--mode=root', release, root, line] as const;
    await runChecked(argv, { timeoutMs: SYSTEM_MS });
    // Nothing but live from here on.
    await rm(path.join(root, 'etc/apt/sources.list'));
    await mkdir(path.join(root, 'usr/share/keyrings'), { recursive: true });
    await copyFile(live.key, path.join(root, KEY));
    const text = sourcesText({ uri: `${live.url}/devel`, suite: 'bookworm', signedBy: KEY });
    await writeFile(path.join(root, 'etc/apt/sources.list.d/autobuilder.sources'), text);
    return root;
  }

  test.each(['bookworm', 'trixie'])(
    'of %s updates from live with Signed-By alone, installs and upgrades',
    async (release) => {
      const root = await makeSystem(release);
      const inside = async (...argv: string[]): Promise<string> => {
        const env = minimalEnvironment({ DEBIAN_FRONTEND: 'noninteractive', no_proxy: '127.0.0.1' });
        const { code, stdout, stderr } = await run(['chroot', root, ...argv], { env, timeoutMs: SYSTEM_MS });
        if (code !== 0) throw new Error(`${argv.join(' ')}: ${stdout.toString()}${stderr.toString()}`);
        return `${stdout.toString()}${stderr.toString()}`;
      };
      const version = await inside('apt-get', '--version');
      expect(version).toMatch(release === 'bookworm' ? /^apt 2\.6/ : /^apt 3\./);
      for (const byHash of ['force', 'no']) {
        await inside('rm', '-rf', '/var/lib/apt/lists');
        const update = await inside(
          'apt-get',
          'update',
          '--error-on=any',
          '-o',
          `Acquire::By-Hash=${byHash}`,
        );
        expect(update).not.toMatch(/^[WE]:/m);
      }
      await inside('apt-get', 'install', '--yes', 'tool');
      expect(await inside('dpkg-query', '--show', 'tool', 'tool-data')).toBe('tool\t1.0\ntool-data\t1.0\n');
      expect(await inside('apt-get', 'source', '--download-only', '--print-uris', 'tool')).toContain('.dsc');
    },
    SYSTEM_MS,
  );
});
