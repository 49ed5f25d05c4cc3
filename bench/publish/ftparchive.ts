/**
 * apt-ftparchive(1) with its cache, then gzip and xz side by side, apt-ftparchive release and gpg: what a script
 * around it does. xz may use every processor. Files come into its pool as hard links, which costs it nothing.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Contender, Scene } from './contender.ts';
import { command, inSequence, together, type Argv, type Cost } from './measure.ts';
import { linkInto } from './packages.ts';

/** Sets it up; call `importAll` next. */
export function ftparchive(scene: Scene): Contender {
  const pool = path.join(scene.folder, 'pool');
  const indexes = path.join(scene.folder, 'dists/bench/main/binary-amd64');
  const release = path.join(scene.folder, 'dists/bench/Release');
  const run = (argv: Argv, outputFile?: string): Promise<Cost> =>
    command(argv, {
      cwd: scene.folder,
      env: { GNUPGHOME: scene.gnupgHome },
      ...(outputFile === undefined ? {} : { outputFile }),
    });
  const packagesFile = path.join(indexes, 'Packages');
  const sign = ['gpg', '--batch', '--yes', '--local-user', scene.keyId] as const;
  const generate = (): Promise<Cost> =>
    inSequence(
      () => run(['apt-ftparchive', '--db', 'cache.db', 'packages', 'pool'], packagesFile),
      () =>
        together(
          () => run(['gzip', '--keep', '--force', '-9', '--no-name', packagesFile]),
          () => run(['xz', '--keep', '--force', '--threads=0', packagesFile]),
        ),
      () => run(['apt-ftparchive', ...SUMS, 'release', 'dists/bench'], `${scene.folder}/Release.new`),
      async () => {
        await rename(`${scene.folder}/Release.new`, release);
        return run([...sign, '--clearsign', '--output', `${path.dirname(release)}/InRelease`, release]);
      },
      () => run([...sign, '--armor', '--detach-sign', '--output', `${release}.gpg`, release]),
    );
  return {
    name: 'apt-ftparchive',
    offers: 'gz, xz, signed',
    isFull: true,
    importAll: async (packages) => {
      await mkdir(indexes, { recursive: true });
      await linkInto(pool, packages);
      return generate();
    },
    add: async (packages) => {
      await linkInto(pool, packages);
      return generate();
    },
    remove: async (each) => {
      await rm(path.join(pool, path.basename(each.file)));
      return generate();
    },
    close: () => Promise.resolve(),
  };
}

/** SHA256 alone, as everybody else here does it. */
const SUMS = ['MD5', 'SHA1', 'SHA512'].flatMap((each) => ['-o', `APT::FTPArchive::${each}=false`]);
