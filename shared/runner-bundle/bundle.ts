/**
 * The builder's runner as one file: what garage copies to every host. Only the entry's path is known here,
 * so that no service is imported.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { AppError } from '../errors/app-error.ts';

export interface RunnerBundle {
  file: Uint8Array;
  /** Lower-case hex; names the version on a host. */
  sha256: string;
}

const ENTRY = fileURLToPath(new URL('../../services/builder/runner.ts', import.meta.url));

let cached: Promise<RunnerBundle> | undefined;

async function makeBundle(): Promise<RunnerBundle> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node18',
    format: 'esm',
    // Smaller to copy and quicker to parse: the runner starts three times in each attempt.
    minify: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  const file = outputFiles[0]?.contents;
  if (file === undefined) throw new AppError('runner-bundle-empty', 'esbuild wrote no runner');
  return { file, sha256: createHash('sha256').update(file).digest('hex') };
}

/** The bundled runner, made once in this process. Throws what esbuild throws for source that is wrong. */
export function bundleRunner(): Promise<RunnerBundle> {
  cached ??= makeBundle();
  return cached;
}
