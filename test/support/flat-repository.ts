/** A signed flat apt repository of a few .debs, served on loopback: what a devel queue is to a target. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runChecked } from '../../shared/process/run.ts';
import type { AptSource } from '../../shared/protocol/job.ts';
import { clearsignFile, makeSigningKey } from './source-package.ts';

export interface FlatRepository {
  source: AptSource;
  /** Names of files that were asked for, as often as they were. */
  requests: string[];
  close(): Promise<void>;
}

/** Publishes `debs` from `folder` (made); `NotAutomatic` as a staging queue carries it. */
export async function serveFlatRepository(folder: string, debs: string[]): Promise<FlatRepository> {
  await mkdir(folder, { recursive: true });
  for (const deb of debs) await copyFile(deb, path.join(folder, path.basename(deb)));
  const { stdout: packages } = await runChecked(['dpkg-scanpackages', '--multiversion', '.'], {
    cwd: folder,
  });
  await writeFile(path.join(folder, 'Packages'), packages);
  const sum = createHash('sha256').update(packages).digest('hex');
  const release = [
    'Origin: Test',
    'Suite: devel',
    `Date: ${new Date().toUTCString()}`,
    'NotAutomatic: yes',
    'ButAutomaticUpgrades: yes',
    'SHA256:',
    ` ${sum} ${packages.length} Packages`,
    '',
  ].join('\n');
  const { privateKey, publicKey } = await makeSigningKey('archive@example.org');
  await writeFile(path.join(folder, 'InRelease'), release);
  await clearsignFile(path.join(folder, 'InRelease'), privateKey);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(path.basename(request.url ?? ''));
    readFile(path.join(folder, path.basename(request.url ?? '')))
      .then((content) => response.end(content))
      .catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    source: { uris: [`http://127.0.0.1:${port}/`], suites: ['./'], components: [], key: publicKey },
    requests,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
