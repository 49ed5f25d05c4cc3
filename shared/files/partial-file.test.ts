import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openPartialFile, removeStalePartial } from './partial-file.ts';

const NAME = 'hello_1.0.tar.xz';
const LIMIT = { maxBytes: 1000 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'partial-file-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const bytes = (text: string): Uint8Array => Buffer.from(text);
const content = (name = NAME): Promise<string> => readFile(path.join(folder, name), 'utf8');

describe('a file that arrives', () => {
  test('has its name only once it is whole, and is readable by owner and group', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(bytes('one '));
    await file.write(bytes('two'));
    expect(await readdir(folder)).toEqual([`${NAME}.partial`]);
    expect(file.size).toBe(7);
    await file.commit();
    expect(await readdir(folder)).toEqual([NAME]);
    expect(await content()).toBe('one two');
    expect((await stat(path.join(folder, NAME))).mode & 0o137).toBe(0);
  });

  test('makes its folder', async () => {
    const deeper = path.join(folder, 'bookworm', 'sender');
    await (await openPartialFile(deeper, NAME, LIMIT)).commit();
    expect(await readdir(deeper)).toEqual([NAME]);
  });

  test('may come in pieces out of order, without waiting', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await Promise.all([
      file.write(bytes('three'), 7),
      file.write(bytes('one'), 0),
      file.write(bytes(' two'), 3),
    ]);
    await file.commit();
    expect(await content()).toBe('one twothree');
  });

  test('commit waits for writes under way', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    const writing = file.write(bytes('whole'));
    await file.commit();
    await writing;
    expect(await content()).toBe('whole');
  });

  test.each(['../x', 'a/b', '.hidden', '', 'a b', 'x.partial', 'x'.repeat(201), 'nul\0'])(
    'refuses the name %j',
    async (name) => {
      await expect(openPartialFile(folder, name, LIMIT)).rejects.toMatchObject({
        code: 'file-name-invalid',
        hint: expect.stringContaining('Names start with') as string,
      });
      expect(await readdir(folder)).toEqual([]);
    },
  );

  test('with holes never becomes whole', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(bytes('a'), 0);
    await file.write(bytes('c'), 2);
    await expect(file.commit()).rejects.toMatchObject({ code: 'file-has-holes' });
    expect(await readdir(folder)).toEqual([]);
  });

  test('is refused past its limit, at any offset, and cannot be committed then', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(Buffer.alloc(1000));
    await expect(file.write(bytes('x'))).rejects.toMatchObject({ code: 'file-too-large' });
    await expect(file.write(bytes('x'), 2 ** 40)).rejects.toMatchObject({ code: 'file-too-large' });
    await expect(file.write(bytes('x'), -1)).rejects.toMatchObject({ code: 'file-too-large' });
    await expect(file.write(bytes('x'), Number.NaN)).rejects.toMatchObject({ code: 'file-too-large' });
    await expect(file.commit()).rejects.toMatchObject({ code: 'file-too-large' });
    expect(await readdir(folder)).toEqual([]);
  });

  test('is cut by truncate, which never grows it', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(bytes('one two'));
    await file.truncate(3);
    await expect(file.truncate(4)).rejects.toMatchObject({ code: 'file-has-holes' });
    await file.write(bytes('!'));
    await file.commit();
    expect(await content()).toBe('one!');
  });

  test('leaves nothing when aborted, and takes nothing afterwards', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(bytes('half'));
    await file.abort();
    await file.abort();
    expect(await readdir(folder)).toEqual([]);
    await expect(file.write(bytes('x'))).rejects.toMatchObject({ code: 'file-closed' });
    await expect(file.commit()).rejects.toMatchObject({ code: 'file-closed' });
  });

  test('replaces a complete one that was not taken yet, at commit and not before', async () => {
    await writeFile(path.join(folder, NAME), 'old');
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(bytes('new'));
    expect(await content()).toBe('old');
    await file.commit();
    expect(await content()).toBe('new');
  });

  test('does not rename what somebody else put in its place', async () => {
    const file = await openPartialFile(folder, NAME, LIMIT);
    await rm(path.join(folder, `${NAME}.partial`));
    await writeFile(path.join(folder, `${NAME}.partial`), 'not mine');
    await expect(file.commit()).rejects.toMatchObject({ code: 'file-lost' });
    expect(await readdir(folder)).toEqual([`${NAME}.partial`]);
  });

  test('does not follow a symbolic link', async () => {
    await writeFile(path.join(folder, 'victim'), 'untouched');
    await symlink(path.join(folder, 'victim'), path.join(folder, `${NAME}.partial`));
    await expect(openPartialFile(folder, NAME, LIMIT)).rejects.toMatchObject({ code: 'file-not-regular' });
    expect(await content('victim')).toBe('untouched');
  });
});

describe('two writers', () => {
  test('of one name: the second is refused until the first ended', async () => {
    const first = await openPartialFile(folder, NAME, LIMIT);
    await first.write(bytes('first'));
    await expect(openPartialFile(folder, NAME, LIMIT)).rejects.toMatchObject({ code: 'file-busy' });
    await first.commit();
    const second = await openPartialFile(folder, NAME, LIMIT);
    expect(await content()).toBe('first');
    await second.abort();
    expect(await content()).toBe('first');
  });

  test('in a race: every whole file is one writer’s, and none is lost', async () => {
    const write = async (index: number): Promise<string> => {
      const file = await openPartialFile(folder, NAME, LIMIT);
      await file.write(bytes(`${String(index)}-`));
      await file.write(bytes(String(index)));
      await file.commit();
      return 'done';
    };
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, index) => write(index)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBeLessThan(12);
    for (const one of refused) expect(one.reason).toMatchObject({ code: 'file-busy' });
    expect(await readdir(folder)).toEqual([NAME]);
    expect(await content()).toMatch(/^(\d+)-\1$/);
  });

  test('a killed process’s partial file is taken over, not before it is dead', async () => {
    const module = new URL('partial-file.ts', import.meta.url).href;
    const script = `
      const { openPartialFile } = await import(${JSON.stringify(module)});
      const file = await openPartialFile(${JSON.stringify(folder)}, ${JSON.stringify(NAME)}, { maxBytes: 1000 });
      await file.write(Buffer.from('left by a dead process'));
      console.log('written');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      await expect(openPartialFile(folder, NAME, LIMIT)).rejects.toMatchObject({ code: 'file-busy' });
      expect(await removeStalePartial(path.join(folder, `${NAME}.partial`), new Date(8e12))).toBe(false);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const file = await openPartialFile(folder, NAME, LIMIT);
    await file.write(bytes('new'));
    await file.commit();
    expect(await content()).toBe('new');
  });
});

describe('the sweep', () => {
  test('removes what is old and nobody writes, and nothing else', async () => {
    const old = path.join(folder, `${NAME}.partial`);
    await writeFile(old, 'x');
    await utimes(old, 1000, 1000);
    expect(await removeStalePartial(old, new Date(999_000))).toBe(false);
    expect(await removeStalePartial(old, new Date(1_001_000))).toBe(true);
    expect(await removeStalePartial(old, new Date(1_001_000))).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });
});
