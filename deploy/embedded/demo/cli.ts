import path from 'node:path';
import { homeFolders } from '../../../shared/config/home.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';

const AUTOBUILDER = path.resolve(import.meta.dirname, '../../../bin/autobuilder');
/** A promotion or a clean install, with a base to unpack at worst. */
const TIMEOUT_MS = 10 * 60_000;

/** Runs `bin/autobuilder` as a person would and returns what it prints; throws with its error. */
export async function autobuilder(args: string[]): Promise<string> {
  const environment: Record<string, string> = { AUTOBUILDER_HOME: homeFolders().root };
  for (const name of ['AUTOBUILDER_CONFIG', 'DATABASE_URL']) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  const { stdout } = await runChecked([AUTOBUILDER, ...args], {
    env: minimalEnvironment(environment),
    timeoutMs: TIMEOUT_MS,
  });
  return stdout.toString('utf8');
}

/** {@link autobuilder} with `--json`, parsed. */
export async function autobuilderJson(args: string[]): Promise<unknown> {
  return JSON.parse(await autobuilder([...args, '--json']));
}
