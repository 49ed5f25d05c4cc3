/** `npm run bench -- NAME`: runs one bench; its last line is one JSON object. */
import { messageOf } from '../shared/errors/app-error.ts';

const BENCHES: Record<string, () => Promise<{ run(): Promise<Record<string, unknown>> }>> = {
  line: () => import('./line.ts'),
  build: () => import('./build.ts'),
  dispatch: () => import('./dispatch.ts'),
  publish: () => import('./publish.ts'),
};

const name = process.argv[2] ?? '';
const load = BENCHES[name];
if (!load) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')}\n`);
  process.exit(2);
}
try {
  const result = await (await load()).run();
  process.stdout.write(`${JSON.stringify({ bench: name, ...result })}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exit(1);
}
