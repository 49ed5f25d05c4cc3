/**
 * What a client gets that asks for a command. There are no commands: the one that upload tools send by
 * themselves is answered, everything else is told what works instead.
 */
import { AppError } from '../../../shared/errors/app-error.ts';
import { resolveVirtual } from '../spool/virtual-path.ts';

export interface ExecAnswer {
  code: 0 | 1;
  /** For stderr, without a final newline. */
  text: string;
}

const HOW =
  'Upload with scp (OpenSSH 9 or newer), sftp or dput into a product’s folder, such as "bookworm/".';

/**
 * dput's scp method runs `chmod 0644 <incoming>/<file>...` after uploading files of another mode. Modes are
 * the server's business and the files may have been taken already, so for paths that an upload may
 * have this succeeds and does nothing.
 */
export function answerCommand(command: string, products: readonly string[]): ExecAnswer {
  const [program, ...args] = command.trim().split(/\s+/);
  if (program === 'chmod') return answerChmod(args, products);
  if (program === 'scp') {
    return { code: 1, text: 'The old scp protocol is not spoken here: leave out "scp -O", or use sftp.' };
  }
  return { code: 1, text: `No commands can be run here. ${HOW}` };
}

/** For a client that asks for a shell. */
export function answerShell(login: string): ExecAnswer {
  return { code: 1, text: `Hello ${login}, your key works. There is no shell here. ${HOW}` };
}

function answerChmod(args: string[], products: readonly string[]): ExecAnswer {
  const [mode, ...paths] = args;
  try {
    const files = paths.map((one) => resolveVirtual(one, products).kind);
    if (/^0?[0-7]{3}$/.test(mode ?? '') && files.length > 0 && files.every((kind) => kind === 'file')) {
      return { code: 0, text: '' };
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
  return { code: 1, text: 'chmod is understood for uploaded files only.' };
}
