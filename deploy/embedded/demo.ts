/**
 * `npm run demo`: the whole line on a real source package, from dput to apt-get install out of stable.
 * Leaves the services up until Ctrl-C; `--exit` ends them.
 */
import path from 'node:path';
import { loadConfig } from '../../shared/config/load.ts';
import { createPool, databaseSection, databaseUrl } from '../../shared/database/pool.ts';
import { AppError, messageOf } from '../../shared/errors/app-error.ts';
import { withFileLock } from '../../shared/files/lock.ts';
import { homeFolders } from '../../shared/config/home.ts';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { demoAccount, DEMO_LOGIN } from './demo/account.ts';
import { autobuilder, autobuilderJson } from './demo/cli.ts';
import { narrator, tellUntil, type Tell } from './demo/stages.ts';
import { prepareSource } from './demo/source.ts';
import { upload } from './demo/upload.ts';
import { lookAtUpload } from './demo/watch.ts';
import { addresses, untilSignal } from './addresses.ts';
import { startAll, type Supervisor } from './supervisor.ts';

/** A cold machine makes its base (a download) before the first build. */
const LINE_TIMEOUT_MS = 15 * 60_000;

const home = homeFolders();
const exitAtEnd = process.argv.includes('--exit');

async function main(): Promise<void> {
  const tell = narrator();
  await mkdir(home.run, { recursive: true });
  const logFile = path.join(home.run, 'demo.log');
  await rm(logFile, { force: true });
  const ended = untilSignal();
  tell(`starting the services; their log is ${logFile}`);
  const supervisor = await startAll((service, line) => void appendFile(logFile, `${service} ${line}\n`));
  try {
    const interrupted = ended.then(() => Promise.reject(new AppError('interrupted', 'Interrupted')));
    await Promise.race([wholeLine(supervisor, tell), interrupted]);
    if (exitAtEnd) return;
    process.stdout.write('Ctrl-C ends it.\n');
    await ended;
  } finally {
    process.stdout.write('ending the services\n');
    await supervisor.stop();
  }
}

async function wholeLine(supervisor: Supervisor, tell: Tell): Promise<void> {
  const facts = await supervisor.ready;
  tell('drop, garage, builder and repository are up');
  const { sections, ...loaded } = await loadConfig({ database: databaseSection });
  const common = await loaded.common();
  const product = common.products[0];
  if (!product) throw new AppError('no-product', 'The configuration names no product');
  const folder = path.join(home.root, 'demo');
  const account = await demoAccount(folder);
  await makeAccount(account);
  tell(`account '${DEMO_LOGIN}' is there, with an SSH key and an OpenPGP key`);

  const changes = await prepareSource(path.join(folder, 'source'), product.name, account.signer, tell);
  await upload(changes, product.name, account, path.join(folder, 'dput'));
  tell(`drop        ${path.basename(changes)} sent with dput`);

  const [first, ...later] = common.queues;
  const pool = createPool(await databaseUrl(sections.database, home), 'garage', () => undefined);
  try {
    const look = (): ReturnType<typeof lookAtUpload> =>
      lookAtUpload(pool, path.basename(changes), first.name);
    await tellUntil('the build', LINE_TIMEOUT_MS, tell, look);
  } finally {
    await pool.end();
  }
  const source = path.basename(changes).split('_')[0] ?? '';
  let from = first.name;
  for (const { name: to } of later) {
    await autobuilder([
      'promote',
      source,
      '--product',
      product.name,
      '--from',
      from,
      '--to',
      to,
      '--as',
      DEMO_LOGIN,
      '--wait',
    ]);
    tell(`repository  ${source} is promoted from ${from} to ${to}`);
    from = to;
  }
  tell(`a clean target runs apt-get update and apt-get install ${source} from ${from}`);
  const output = await autobuilder([
    'install-check',
    source,
    '--queue',
    from,
    '--product',
    product.name,
    '--',
    source,
  ]);
  tell(`installed; ${source} says: ${output.trim().split('\n').at(-1) ?? ''}`);
  process.stdout.write(
    `\n${addresses(home.root, facts)}\n  sign in as ${DEMO_LOGIN}; the password is in ${account.passwordFile}\n`,
  );
}

async function makeAccount(account: Awaited<ReturnType<typeof demoAccount>>): Promise<void> {
  const known = (await autobuilderJson(['account', 'list'])) as { login: string }[];
  if (known.some(({ login }) => login === DEMO_LOGIN)) return;
  await autobuilder([
    ...['account', 'add', DEMO_LOGIN, '--email', account.email, '--ssh-key', account.sshPublicFile],
    ...['--openpgp-key', account.openpgpPublicFile, '--password-file', account.passwordFile],
  ]);
}

try {
  await withFileLock(path.join(home.run, 'start.lock'), 0, main);
  process.exit(0);
} catch (error) {
  const busy = error instanceof AppError && error.code === 'lock-busy';
  const message = busy ? `Autobuilder already runs from ${home.root}` : messageOf(error);
  const hint = busy
    ? 'end it first (Ctrl-C where it runs), or set AUTOBUILDER_HOME to another folder'
    : error instanceof AppError
      ? error.hint
      : undefined;
  process.stderr.write(`error: ${message}\n${hint ? `hint: ${hint}\n` : ''}`);
  process.exit(1);
}
