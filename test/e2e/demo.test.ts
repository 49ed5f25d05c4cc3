/** `npm run demo -- --exit`: the first thing that anybody runs. */
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../shared/process/run.ts';
import { CHECKOUT, makeInstallation, type Installation } from '../support/installation.ts';

/** A cold machine makes its base, and hello needs debhelper. */
const DEMO_TIMEOUT_MS = 600_000;

let line: Installation;

beforeAll(async () => {
  line = await makeInstallation();
}, DEMO_TIMEOUT_MS);
afterAll(async () => {
  await line?.dispose();
}, DEMO_TIMEOUT_MS);

it(
  'brings a real source package from dput to an installed program, and ends 0',
  { timeout: DEMO_TIMEOUT_MS },
  async () => {
    const result = await run([process.execPath, path.join(CHECKOUT, 'deploy/embedded/demo.ts'), '--exit'], {
      cwd: CHECKOUT,
      env: { ...(process.env as Record<string, string>), AUTOBUILDER_HOME: line.home.root },
      timeoutMs: DEMO_TIMEOUT_MS,
    });
    const said = result.stdout.toString('utf8');
    expect(`${said}${result.stderr.toString('utf8')}`).toContain('installed; ');
    expect(result.code).toBe(0);
    for (const stage of [
      'sent with dput',
      'accepted',
      'build',
      'published in devel',
      'from devel to testing',
      'from testing to stable',
    ]) {
      expect(said).toContain(stage);
    }
    expect(said).toMatch(/hello says: Hello, world!|greeter says: Hello/);
    for (const address of [line.webUrl, `:${String(line.ports.ssh)}`, line.liveUrl])
      expect(said).toContain(address);
  },
);
