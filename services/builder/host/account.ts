/**
 * Whom garage logs in as on this host: an unprivileged user made by deploy/bootstrap when the service runs
 * as root, oneself otherwise. Never root: builds do not run as root.
 */
import { userInfo } from 'node:os';
import { AppError } from '../../../shared/errors/app-error.ts';
import { run, runChecked } from '../../../shared/process/run.ts';

const DEFAULT_USER = 'autobuilder-builder';

export interface BuilderAccount {
  name: string;
  uid: number;
  gid: number;
  /** Absolute. */
  home: string;
  /** Whether it is another user than this process runs as (then this process is root). */
  isOther: boolean;
}

/** Throws `builder-user-missing`, `builder-user-root` or `builder-user-not-ours`. */
export async function builderAccount(configured: string | undefined): Promise<BuilderAccount> {
  const own = userInfo();
  if (own.uid !== 0) {
    if (configured !== undefined && configured !== own.username) {
      throw new AppError('builder-user-not-ours', `Only root can let garage log in as '${configured}'`, {
        hint: `Run the builder service as root or as '${configured}', or leave out builder.user.`,
      });
    }
    return { name: own.username, uid: own.uid, gid: own.gid, home: own.homedir, isOther: false };
  }
  const account = await lookUp(configured ?? DEFAULT_USER);
  if (account.uid === 0) {
    throw new AppError('builder-user-root', `User '${account.name}' is root, and builds never run as root`, {
      hint: `Leave out builder.user, or name an unprivileged user.`,
    });
  }
  await unlock(account.name);
  return account;
}

async function lookUp(name: string): Promise<BuilderAccount> {
  const { code, stdout } = await run(['getent', 'passwd', name]);
  const [, , uid, gid, , home] = stdout.toString('utf8').trim().split(':');
  if (code === 0 && home) return { name, uid: Number(uid), gid: Number(gid), home, isOther: true };
  throw new AppError('builder-user-missing', `User '${name}' is missing; builds never run as root`, {
    hint: 'Run deploy/bootstrap, which makes it.',
  });
}

/**
 * A password that starts with `!` means a locked account to sshd, which then refuses keys too (there is no
 * PAM to ask). `*` matches no password either, and is not locked.
 */
async function unlock(name: string): Promise<void> {
  const { stdout } = await run(['getent', 'shadow', name]);
  const password = stdout.toString('utf8').split(':')[1] ?? '';
  if (password.startsWith('!')) await runChecked(['/usr/sbin/usermod', '-p', '*', name]);
}

/** Makes a folder as the user itself, so that root follows no link of theirs. Throws `builder-workdir`. */
export async function makeWorkdir(workdir: string, account: BuilderAccount): Promise<void> {
  const as = account.isOther ? { uid: account.uid, gid: account.gid } : {};
  const { code, stderr } = await run(['mkdir', '-p', workdir], { ...as, cwd: '/' });
  const writable = code === 0 && (await run(['test', '-w', workdir], { ...as, cwd: '/' })).code === 0;
  if (writable) return;
  throw new AppError('builder-workdir', `User '${account.name}' cannot write to '${workdir}'`, {
    hint: stderr.toString('utf8').trim() || `Give it to '${account.name}', or change builder.workdir.`,
  });
}
