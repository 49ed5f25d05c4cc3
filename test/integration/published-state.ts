/** What an apt client would find in one queue of staging or live, checked as it would: signature and all sums. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';

/**
 * The state as a text that says the same for the same indexes, whatever their date; null where nothing is
 * published yet. Throws for whatever a client would stumble over.
 */
export async function publishedState(queue: string, keyring: string): Promise<string | null> {
  const dists = path.join(queue, 'dists/bookworm');
  if ((await stat(dists).catch(() => null)) === null) return null;
  const release = await verifiedRelease(dists, keyring);
  const listed = [...release.matchAll(/^ ([0-9a-f]{64}) +(\d+) (\S+)$/gm)].map(
    ([, sha256 = '', size = '', name = '']) => ({
      ...{ sha256, name, size: Number(size) },
    }),
  );
  const offered = new Set<string>();
  for (const each of listed) {
    if (await checkIndex(dists, each)) offered.add(stem(each.name));
  }
  const missing = listed.find((each) => !offered.has(stem(each.name)));
  if (missing) throw new Error(`${missing.name} is there in no form`);
  for (const { name } of listed.filter((each) => each.name.endsWith('Packages.gz'))) {
    await checkPool(queue, gunzipSync(await readFile(path.join(dists, name))).toString());
  }
  return listed.map((each) => `${each.sha256} ${each.name}`).join('\n');
}

/** What was found good already, by its text: the same is not verified again. */
const verified = new Map<string, string>();

async function verifiedRelease(dists: string, keyring: string): Promise<string> {
  const texts = await Promise.all(
    ['InRelease', 'Release', 'Release.gpg'].map((name) => readFile(path.join(dists, name), 'utf8')),
  );
  const known = verified.get(texts.join('\n'));
  if (known !== undefined) return known;
  const env = minimalEnvironment({});
  const gpgv = ['gpgv', '--keyring', keyring] as const;
  const inline = await runChecked([...gpgv, '--output', '-', path.join(dists, 'InRelease')], { env });
  const release = inline.stdout.toString();
  if (texts[1]?.trim() !== release.trim()) throw new Error('Release and InRelease differ');
  await runChecked([...gpgv, path.join(dists, 'Release.gpg'), path.join(dists, 'Release')], { env });
  verified.set(texts.join('\n'), release);
  return release;
}

const stem = (name: string): string => name.replace(/\.(gz|xz|zst)$/, '');

/** False for a form that is listed but not offered, as the uncompressed ones are. */
async function checkIndex(
  dists: string,
  { name, sha256, size }: { name: string; sha256: string; size: number },
): Promise<boolean> {
  const content = await readFile(path.join(dists, name)).catch(() => null);
  if (content === null) return false;
  for (const file of [
    content,
    await readFile(path.join(dists, path.dirname(name), 'by-hash/SHA256', sha256)),
  ]) {
    if (file.length !== size)
      throw new Error(`${name} has ${String(file.length)} bytes, not ${String(size)}`);
    if (createHash('sha256').update(file).digest('hex') !== sha256)
      throw new Error(`${name} has another sum`);
  }
  return true;
}

async function checkPool(queue: string, packages: string): Promise<void> {
  for (const stanza of packages.split('\n\n').filter((each) => each.trim() !== '')) {
    const file = /^Filename: (.*)$/m.exec(stanza)?.[1] ?? '';
    const size = Number(/^Size: (.*)$/m.exec(stanza)?.[1]);
    const found = await stat(path.join(queue, file));
    if (found.size !== size) throw new Error(`${file} has ${String(found.size)} bytes, not ${String(size)}`);
  }
}
