/**
 * `runner.mjs inside-shell <target> <terminal>`: turns this process's namespaces into a kept target and runs a
 * shell in it. The terminal that the shell sees is made in the target by script(1), which is essential in
 * Debian: nothing in the target gets hold of the admin's own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { targetSpec } from './frames.ts';
import { preferForOutOfMemory } from './inside.ts';
import { enterTarget } from './mounts.ts';

/** Gives the shell's exit code. */
export async function insideShell(spec: string, terminal: string): Promise<number> {
  preferForOutOfMemory();
  await enterTarget(targetSpec.parse(JSON.parse(spec)));
  const [term = 'dumb', rows = '24', columns = '80'] = terminal.split(',');
  // Digits only, see cli/shell.ts; script(1) takes no argv.
  const command = `stty rows ${Number(rows)} cols ${Number(columns)}; cd /build 2>/dev/null; exec bash -l`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C.UTF-8', TERM: term },
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
