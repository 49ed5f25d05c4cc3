/**
 * reprepro(1). Imports with `--export=never` and one export at the end, as its manual advises for many packages.
 * With gz alone, which is all that most of its archives offer, and with gz and xz. It knows no by-hash.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Contender, Scene } from './contender.ts';
import { after, command, type Argv, type Cost } from './measure.ts';
import type { MadePackage } from './packages.ts';

/** Arguments of one call stay below the kernel's limit of 2 MiB. */
const FILES_PER_CALL = 10_000;

/** Both archives are one: the packages are imported once, and what the second adds is its own export. */
export function reprepro(scene: Scene): { gz: Contender; xz: Contender } {
  const imported: { cost: Cost | null } = { cost: null };
  const added: string[] = [];
  const contender = (form: 'gz' | 'xz'): Contender => ({
    name: `reprepro (${form === 'gz' ? 'gz' : 'gz, xz'})`,
    offers: form === 'gz' ? 'gz, signed' : 'gz, xz, signed',
    isFull: form === 'xz',
    importAll: async (packages) => {
      await configure(scene, form);
      imported.cost ??= await include(scene, packages);
      return after(imported.cost, await run(scene, 'export', 'bench'));
    },
    add: (packages) => {
      added.push(...packages.map((each) => each.name));
      return run(scene, 'includedeb', 'bench', ...packages.map((each) => each.file));
    },
    remove: (each) => run(scene, 'remove', 'bench', each.name),
    close: async () => {
      // So that the second one starts from what was imported, too.
      await run(scene, '--export=never', 'remove', 'bench', ...added.splice(0));
    },
  });
  return { gz: contender('gz'), xz: contender('xz') };
}

async function configure(scene: Scene, form: 'gz' | 'xz'): Promise<void> {
  await mkdir(path.join(scene.folder, 'conf'), { recursive: true });
  const distributions = [
    'Codename: bench',
    'Architectures: amd64',
    'Components: main',
    `SignWith: ${scene.keyId}`,
    `DebIndices: Packages Release ${form === 'gz' ? '.gz' : '.gz .xz'}`,
    '',
  ];
  await writeFile(path.join(scene.folder, 'conf', 'distributions'), distributions.join('\n'));
}

async function include(scene: Scene, packages: readonly MadePackage[]): Promise<Cost> {
  let cost: Cost = { wallS: 0, cpuS: 0, peakMb: 0 };
  for (let from = 0; from < packages.length; from += FILES_PER_CALL) {
    const files = packages.slice(from, from + FILES_PER_CALL).map((each) => each.file);
    cost = after(cost, await run(scene, '--export=never', 'includedeb', 'bench', ...files));
  }
  return cost;
}

function run(scene: Scene, ...args: string[]): Promise<Cost> {
  const argv: Argv = ['reprepro', '--silent', '--basedir', scene.folder, ...args];
  return command(argv, { cwd: scene.folder, env: { GNUPGHOME: scene.gnupgHome } });
}
