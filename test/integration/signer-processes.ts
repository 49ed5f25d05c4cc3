import { readdir, readFile } from 'node:fs/promises';

/** Process ids of signing processes that run, of every parent or of one. */
export async function signerProcesses(parent?: number): Promise<number[]> {
  const found = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes('signing/main.ts') || status.includes('\nState:\tZ')) continue;
    if (parent === undefined || status.includes(`\nPPid:\t${String(parent)}\n`)) found.push(Number(name));
  }
  return found;
}
