/** aptly(1), without Contents and bzip2, which it would make as well, and with by-hash. It knows no xz. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Contender, Scene } from './contender.ts';
import { command, inSequence, type Argv, type Cost } from './measure.ts';

/** Sets it up; call `importAll` next. */
export function aptly(scene: Scene): Contender {
  const run = (...args: string[]): Promise<Cost> => {
    const argv: Argv = ['aptly', `-config=${path.join(scene.folder, 'aptly.conf')}`, ...args];
    return command(argv, { cwd: scene.folder, env: { GNUPGHOME: scene.gnupgHome, HOME: scene.folder } });
  };
  const signing = [`-gpg-key=${scene.keyId}`, '-batch', '-skip-contents', '-skip-bz2'];
  const publish = (): Promise<Cost> => run('publish', 'update', ...signing, 'bench');
  return {
    name: 'aptly',
    offers: 'gz, signed, by-hash',
    isFull: false,
    importAll: async (packages) => {
      await configure(scene);
      const folder = path.dirname(packages[0]?.file ?? '');
      return inSequence(
        () => run('repo', 'create', '-distribution=bench', 'bench'),
        () => run('repo', 'add', 'bench', folder),
        () =>
          run(
            'publish',
            'repo',
            ...signing,
            '-acquire-by-hash',
            '-architectures=amd64',
            '-distribution=bench',
            'bench',
          ),
      );
    },
    add: (packages) =>
      inSequence(() => run('repo', 'add', 'bench', ...packages.map((each) => each.file)), publish),
    remove: (each) => inSequence(() => run('repo', 'remove', 'bench', each.name), publish),
    close: () => Promise.resolve(),
  };
}

async function configure(scene: Scene): Promise<void> {
  await mkdir(scene.folder, { recursive: true });
  const settings = {
    rootDir: path.join(scene.folder, 'root'),
    architectures: ['amd64'],
    gpgProvider: 'gpg',
    skipContentsPublishing: true,
  };
  await writeFile(path.join(scene.folder, 'aptly.conf'), JSON.stringify(settings));
}
