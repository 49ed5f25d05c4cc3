/** A live with an empty, signed devel queue, as the repository publishes at its first start. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import path from 'node:path';
import { clearsignFile, makeSigningKey } from './source-package.ts';

/** Writes it into `folder`; what it returns answers apt's requests for it. */
export async function emptyLive(
  folder: string,
  product: string,
  architecture: string,
): Promise<RequestListener> {
  const { privateKey, publicKey } = await makeSigningKey('archive@example.org');
  const dists = path.join(folder, 'devel', 'dists', product);
  await mkdir(path.join(dists, 'main', `binary-${architecture}`), { recursive: true });
  await writeFile(path.join(dists, 'main', `binary-${architecture}`, 'Packages'), '');
  const sum = createHash('sha256').update('').digest('hex');
  const release = [
    ...['Origin: Test', `Suite: ${product}`, `Codename: ${product}`, `Date: ${new Date().toUTCString()}`],
    ...[`Architectures: ${architecture}`, 'Components: main', 'SHA256:'],
    ...[` ${sum} 0 main/binary-${architecture}/Packages`, ''],
  ];
  await writeFile(path.join(dists, 'InRelease'), release.join('\n'));
  await clearsignFile(path.join(dists, 'InRelease'), privateKey);
  await writeFile(path.join(folder, 'archive-key.asc'), publicKey);
  return (request, response) => {
    const name = path.join(folder, path.normalize(new URL(request.url ?? '/', 'http://x').pathname));
    readFile(name)
      .then((content) => response.end(content))
      .catch(() => response.writeHead(404).end());
  };
}
