/** What the demo uploads: Debian's `hello` with a local version, or the sample where no archive is reachable. */
import { cp, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { fetchSource } from './fetch.ts';
import { makeLocalVersion, packTree, type Signer } from './local-version.ts';
import type { Tell } from './stages.ts';

const SAMPLE = path.resolve(import.meta.dirname, '../../../test/fixtures/packages/greeter');

/** Makes a signed source-only upload in `folder` (emptied first) and returns the path of its .changes. */
export async function prepareSource(
  folder: string,
  distribution: string,
  signer: Signer,
  tell: Tell,
): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // Minutes since 1970 sort by dpkg's rules, so the demo can be run again and again.
  const options = { suffix: `demo${String(Math.floor(Date.now() / 60_000))}`, distribution, signer };
  let dsc: string;
  try {
    dsc = await fetchSource('hello', folder);
    tell(`fetched Debian's ${path.basename(dsc)} with apt-get source`);
  } catch (error) {
    tell(`Debian's hello cannot be fetched (${reason(error)}); taking the sample package`);
    const tree = path.join(folder, 'sample');
    await cp(SAMPLE, tree, { recursive: true });
    dsc = await packTree(tree);
  }
  const changes = await makeLocalVersion(dsc, options);
  tell(`made and signed ${path.basename(changes)}, a local version of it`);
  return changes;
}

/** apt's own error line where there is one. */
function reason(error: unknown): string {
  const message = messageOf(error);
  return /^E: (.*)$/m.exec(message)?.[1] ?? message.split('\n')[0] ?? '';
}
