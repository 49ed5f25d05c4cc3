/** `probe`: what this host can do, as one JSON object. */
import { mkdir, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Probe } from '../../../shared/protocol/job.ts';
import { hostArchitecture, missingPackages, runnableArchitectures } from '../build/host-tools.ts';
import { canOverlay, canUnshare } from '../target/overlay-check.ts';
import { EXIT } from './exit-codes.ts';

export async function probe(workdirArgument: string): Promise<number> {
  const workdir = path.resolve(workdirArgument);
  await mkdir(workdir, { recursive: true });
  const userNamespaces = await canUnshare();
  const overlay = userNamespaces && (await canOverlay(workdir));
  const runs = await runnableArchitectures();
  const { bavail, bsize } = await statfs(workdir);
  const answer: Probe = {
    version: 1,
    nodejs: process.versions.node,
    kernel: os.release(),
    architecture: await hostArchitecture(),
    userNamespaces,
    overlay,
    missingPackages: missingPackages({ sbuild: !overlay, foreign: false }),
    freeBytes: bavail * bsize,
    clockMs: Date.now(),
    ...(runs === null ? {} : { runs }),
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  return EXIT.ok;
}
