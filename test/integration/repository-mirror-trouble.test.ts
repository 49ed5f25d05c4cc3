/** Archives and lines that lie, break, lag behind and change: the mirror stays whole. */
import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runChecked } from '../../shared/process/run.ts';
import { removeMirror } from '../../services/repository/mirror/run.ts';
import { makeKey, serveArchive } from '../support/mirror-archive.ts';
import { addMirror, HELLO, LIBHELLO, MirrorBench } from './mirror-support.ts';

const HOUR_MS = 3600_000;
const bench = new MirrorBench();

/** The code under which an update is refused; it is recorded. */
const refusal = async (): Promise<string> => {
  const error = (await bench.update().catch((thrown: unknown) => thrown)) as { code: string };
  const { status, errorCode, failures, error: why } = await bench.mirror();
  expect({ status, errorCode, failures }).toEqual({ status: 'failed', errorCode: error.code, failures: 1 });
  expect(why).not.toBeNull();
  return error.code;
};

describe('what is not taken', () => {
  it('a signature of another key', async () => {
    await bench.add();
    const other = await makeKey(new Date(Date.now() - HOUR_MS));
    Object.assign(bench.archive, { key: other });
    await bench.archive.publish();
    expect(await refusal()).toBe('mirror-signature');
    expect(bench.asked().some((name) => name.includes('binary-'))).toBe(false);
  });

  it('a Release that was changed after it was signed', async () => {
    await bench.add();
    const file = path.join(bench.archive.root, 'dists/stable/InRelease');
    await writeFile(file, (await readFile(file, 'utf8')).replace('Label: Upstream', 'Label: Evil'));
    expect(await refusal()).toBe('mirror-signature');
  });

  it('what is not signed at all', async () => {
    await bench.add();
    for (const name of ['InRelease', 'Release.gpg'])
      await rm(path.join(bench.archive.root, 'dists/stable', name));
    expect(await refusal()).toBe('mirror-file-missing');
  });

  it('a Release whose time is over', async () => {
    await bench.archive.publish({ validUntil: new Date(Date.now() - HOUR_MS) });
    await bench.add();
    expect(await refusal()).toBe('mirror-expired');
  });

  it('a Release of the future', async () => {
    await bench.archive.publish({ date: new Date(Date.now() + HOUR_MS) });
    await bench.add();
    expect(await refusal()).toBe('mirror-from-future');
  });

  it('a Release of another suite', async () => {
    await bench.archive.publish({ codename: 'unstable' });
    await bench.add();
    expect(await refusal()).toBe('mirror-other-suite');
  });

  it('an older Release than the one that was taken: a replay', async () => {
    const showOld = await bench.archive.snapshot('old');
    await bench.archive.add({ name: 'fix' });
    await bench.archive.publish();
    await bench.add();
    await bench.update();
    const state = await bench.state();
    await showOld();
    expect(await refusal()).toBe('mirror-replayed');
    expect(await bench.state()).toEqual(state);
  });

  it.each([
    ['leaves the mirror', 'Filename: ../../../../etc/cron.d/evil'],
    ['is absolute', 'Filename: /etc/cron.d/evil'],
    ['is hidden', 'Filename: pool/.generations/1/evil.deb'],
    ['lies among the indexes', 'Filename: dists/stable/InRelease'],
    ['takes the place of the key', 'Filename: ./mirror-key.asc'],
  ])('a path that %s', async (_how, line) => {
    await bench.archive.publish({ editPackages: (text) => text.replace(/^Filename: .*hello_1.*$/m, line) });
    await bench.add();
    expect(await refusal()).toBe('index-invalid');
    expect(await bench.pool()).toEqual([]);
  });

  it('a stanza bomb', async () => {
    const bomb = 'x'.repeat(2 * 1024 * 1024);
    await bench.archive.publish({ editPackages: (text) => `${text}Package: bomb\nDescription: ${bomb}\n\n` });
    await bench.add();
    expect(await refusal()).toBe('index-invalid');
  });

  it('an index that unpacks to more than Release says', async () => {
    await bench.archive.publish({ forms: ['plain'] });
    const plain = path.join(bench.archive.root, 'dists/stable/main/binary-amd64/Packages');
    const { size } = await stat(plain);
    const zeros = '\n'.repeat(64 * 1024 * 1024);
    await bench.archive.publish({ forms: ['gz'], editPackages: (text) => text + zeros });
    // A Release that lies about the unpacked size, signed all the same.
    const release = path.join(bench.archive.root, 'dists/stable/Release');
    const text = (await readFile(release, 'utf8')).replaceAll(
      new RegExp(` ([0-9a-f]{64}) ${String(size + zeros.length)} (\\S+/Packages)$`, 'gm'),
      ` $1 ${String(size)} $2`,
    );
    await bench.archive.signText(text);
    await bench.add();
    expect(await refusal()).toBe('index-invalid');
  });

  it('MD5 sums alone', async () => {
    await bench.archive.signText(
      (await readFile(path.join(bench.archive.root, 'dists/stable/Release'), 'utf8')).replace(
        'SHA256:',
        'MD5Sum:',
      ),
    );
    await bench.add();
    expect(await refusal()).toBe('release-sums-weak');
  });

  it('components and architectures that the archive has not: it says which there are', async () => {
    await bench.add({ components: ['contrib'] });
    await expect(bench.update()).rejects.toMatchObject({
      ...{ code: 'mirror-component-missing', hint: 'It has: main' },
    });
  });
});

describe('a bad line', () => {
  it('goes on with half a file where it broke', async () => {
    const file = await bench.archive.add({ name: 'big', bytes: 400_000 });
    await bench.archive.publish();
    bench.server.fail('big_1.0_amd64.deb', { kind: 'truncate', after: 150_000 }, 1);
    await bench.add();
    await bench.update();
    const [first, second, ...others] = bench.asked().filter((name) => name.includes('big_'));
    expect(first).toBe(`/${file}`);
    expect(Number(second?.split('@')[1])).toBeGreaterThan(0);
    expect(others).toEqual([]);
    expect(await readFile(bench.file(file))).toEqual(await readFile(path.join(bench.archive.root, file)));
  });

  it('that stands still is given up, and the file gone on with', async () => {
    const file = await bench.archive.add({ name: 'big', bytes: 400_000 });
    await bench.archive.publish();
    bench.server.fail('big_1.0_amd64.deb', { kind: 'stall', after: 150_000 }, 1);
    await bench.add();
    await bench.update({ stallMs: 500 });
    expect(bench.asked().filter((name) => name.includes('big_'))).toEqual([`/${file}`, `/${file}@150000`]);
  });

  it('that knows no ranges begins anew', async () => {
    const file = await bench.archive.add({ name: 'big', bytes: 400_000 });
    await bench.archive.publish();
    bench.server.fail('big_1.0_amd64.deb', { kind: 'truncate', after: 150_000 }, 1);
    bench.server.fail('big_1.0_amd64.deb', { kind: 'no-range' }, 1);
    await bench.add();
    await bench.update();
    expect(await readFile(bench.file(file))).toEqual(await readFile(path.join(bench.archive.root, file)));
  });

  it('takes half a file that is not its start for nothing', async () => {
    const file = await bench.archive.add({ name: 'big', bytes: 400_000 });
    await bench.archive.publish();
    bench.server.fail('big_1.0_amd64.deb', { kind: 'truncate', after: 150_000 });
    await bench.add();
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-truncated' });
    bench.server.heal();
    const partial = await bench.archive.sha256(file);
    const kept = bench.file(`.partial/${partial}`);
    await truncate(kept, 1000);
    await writeFile(kept, 'another start', { flag: 'r+' });
    await bench.update();
    expect(await readFile(bench.file(file))).toEqual(await readFile(path.join(bench.archive.root, file)));
  });

  it.each([
    ['a wrong sum', { kind: 'wrong' }, 'mirror-sum-mismatch'],
    ['a longer file', { kind: 'longer' }, 'mirror-sum-mismatch'],
    ['a missing file', { kind: 'status', status: 404 }, 'mirror-file-missing'],
    ['a refusal', { kind: 'status', status: 403 }, 'mirror-refused'],
    ['a busy server', { kind: 'status', status: 503 }, 'mirror-unavailable'],
    ['a loop of redirects', { kind: 'redirect', location: `/${HELLO}` }, 'mirror-redirects'],
    ['a redirect into a file', { kind: 'redirect', location: 'file:///etc/passwd' }, 'mirror-redirects'],
  ] as const)('with %s leaves the mirror as it was', async (_what, fault, code) => {
    await bench.add();
    await bench.update();
    const before = await bench.state();
    await bench.archive.remove('hello_1.0_amd64');
    await bench.archive.add({ name: 'hello', version: '1.0', bytes: 100 });
    await bench.archive.publish();
    bench.server.fail('hello_1.0_amd64.deb', fault);
    await expect(bench.update()).rejects.toMatchObject({ code });
    expect(await bench.state()).toEqual(before);
    bench.server.heal();
    expect(await bench.update()).toMatchObject({ isChanged: true });
    expect((await bench.mirror()).failures).toBe(0);
  });

  it('sends on to where the file is', async () => {
    bench.server.fail('hello_1.0_amd64.deb', { kind: 'redirect', location: `/pool/../${HELLO}` }, 1);
    await bench.add();
    await bench.update();
    expect(await bench.pool()).toEqual([HELLO, LIBHELLO]);
  });

  it('is nothing to wait for without an end: a server that is gone is said so', async () => {
    await bench.add();
    await bench.server.close();
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-unreachable' });
    const row = await bench.mirror();
    expect(row.nextAt?.getTime()).toBeGreaterThan(Date.now());
  });

  it('keeps to the limit of bytes a second', async () => {
    await bench.archive.add({ name: 'big', bytes: 300_000 });
    await bench.archive.publish();
    await bench.add({ bytesPerSecond: 400_000 });
    const began = performance.now();
    await bench.update();
    // 300 kB at 400 kB a second, less the last piece, which nobody waits for.
    expect(performance.now() - began).toBeGreaterThan(400);
  });
});

describe('an archive that changes under the update', () => {
  it('is begun again from its Release, and ends whole', async () => {
    const replace = async (): Promise<void> => {
      await bench.archive.remove('hello_1.0_amd64');
      await bench.archive.add({ name: 'hello', version: '2.0' });
      await bench.archive.publish({ byHash: false });
    };
    await rm(path.join(bench.archive.root, 'dists'), { recursive: true });
    await bench.archive.publish({ byHash: false });
    await bench.add();
    bench.server.fail('binary-amd64/Packages.xz', { kind: 'before', run: replace }, 1);
    const report = await bench.update();
    expect(report.restarts).toBeGreaterThan(0);
    expect(await bench.pool()).toEqual(['pool/main/h/hello/hello_2.0_amd64.deb', LIBHELLO]);
  });

  it('while files are fetched is begun again too', async () => {
    await bench.add();
    bench.server.fail(
      'hello_1.0_amd64.deb',
      {
        kind: 'before',
        run: async () => {
          await bench.archive.remove('hello_1.0_amd64');
          await bench.archive.add({ name: 'hello', version: '2.0' });
          await bench.archive.publish();
        },
      },
      1,
    );
    expect((await bench.update()).restarts).toBe(1);
    expect(await bench.pool()).toContain('pool/main/h/hello/hello_2.0_amd64.deb');
  });

  it('for ever is given up', async () => {
    await bench.add();
    bench.server.fail('hello_1.0_amd64.deb', { kind: 'status', status: 404 });
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-file-missing' });
    expect(bench.asked().filter((name) => name.endsWith('/InRelease'))).toHaveLength(4);
  });
});

describe('https', () => {
  it('needs a certificate that is trusted, and takes a CA of one’s own', async () => {
    const [key, cert] = [bench.at('tls.key'), bench.at('tls.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2', '-nodes'];
    await runChecked(['openssl', 'req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert]);
    const secure = await serveArchive(bench.archive.root, {
      ...{ key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') },
    });
    await addMirror(bench.repository, bench.archive, secure.url);
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-tls' });
    await removeMirror(bench.repository, 'up', { keepFiles: false });
    await addMirror(bench.repository, bench.archive, secure.url, { caFile: cert });
    await bench.update();
    expect(await bench.pool()).toEqual([HELLO, LIBHELLO]);
    // And stays https.
    secure.fail('/InRelease', { kind: 'redirect', location: `${bench.server.url}/dists/stable/InRelease` });
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-redirects' });
    await secure.close();
  });
});

describe('a full disk', () => {
  it('is said before the first byte, and changes nothing', async () => {
    await bench.add();
    await bench.update();
    const before = await bench.state();
    await bench.archive.add({ name: 'big', bytes: 1_000_000 });
    await bench.archive.publish({
      // Nobody has so much: the size is a lie, which is found out too late.
      editPackages: (text) => text.replace(/^(Filename: .*big.*\nSize: )\d+/m, '$19999999999999'),
    });
    await expect(bench.update()).rejects.toMatchObject({ code: 'disk-full' });
    expect(bench.asked().filter((name) => name.includes('big_'))).toEqual([]);
    expect(await bench.state()).toEqual(before);
  });
});
