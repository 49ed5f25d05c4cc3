/** Binds a session's operations to the wire: one answer for each request, in a fixed order, within bounds. */
import ssh2, { type SFTPWrapper } from 'ssh2';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Backpressure } from './backpressure.ts';
import { endWell, repliesWaiting, tellUploader } from './sftp-channel.ts';
import { SftpSession, type SftpContext } from './sftp-session.ts';
import { notAllowed, statusOf } from './status.ts';

const { STATUS_CODE } = ssh2.utils.sftp;
/** Answers that may wait for a client which does not open its window; honest ones leave none. */
const MAX_REPLIES_WAITING = 1024;
/** Lines written to an uploader's terminal in one session. */
const MAX_LINES_TOLD = 20;
/** Entries in one READDIR answer: about 15 KB, well below the 34,000 bytes every client takes. */
const ENTRIES_PER_ANSWER = 100;

export interface ServeOptions extends SftpContext {
  backpressure: Backpressure;
  /** Called for each request: the connection is not idle. */
  onActivity: () => void;
  /** Ends the connection. */
  disconnect: () => void;
}

/** Serves until the channel ends; the result gives up what is still open and resolves when it is removed. */
export function serveSftp(sftp: SFTPWrapper, options: ServeOptions): () => Promise<void> {
  const session = new SftpSession(options);
  const answer = createAnswerer(sftp, options);
  const ok = (id: number) => (): void => sftp.status(id, STATUS_CODE.OK);

  sftp.on('OPEN', (id, path, flags) =>
    answer.inOrder(id, async () => sftp.handle(id, await session.open(path, flags)), 'tell'),
  );
  // Writes do not wait for each other, since each has its place in the file; their answers do.
  sftp.on('WRITE', (id, handle, offset, data) =>
    answer.atOnce(id, data.length, () => session.write(handle, offset, data), ok(id), 'tell'),
  );
  sftp.on('CLOSE', (id, handle) => answer.inOrder(id, () => session.close(handle).then(ok(id)), 'tell'));
  sftp.on('FSTAT', (id, handle) =>
    answer.inOrder(id, () => sftp.attrs(id, session.attributesOfHandle(handle))),
  );
  sftp.on('FSETSTAT', (id, handle, attrs) =>
    answer.inOrder(id, () => session.setHandleAttributes(handle, attrs).then(ok(id)), 'tell'),
  );
  sftp.on('SETSTAT', (id, path, attrs) =>
    answer.inOrder(id, () => session.setAttributes(path, attrs).then(ok(id)), 'tell'),
  );
  for (const event of ['STAT', 'LSTAT'] as const) {
    const look = (id: number, path: string): void =>
      answer.inOrder(id, async () => sftp.attrs(id, await session.attributes(path)));
    if (event === 'STAT') sftp.on('STAT', look);
    else sftp.on('LSTAT', look);
  }
  sftp.on('OPENDIR', (id, path) =>
    answer.inOrder(id, async () => sftp.handle(id, await session.openFolder(path))),
  );
  sftp.on('READDIR', (id, handle) =>
    answer.inOrder(id, () => {
      const entries = session.readFolder(handle, ENTRIES_PER_ANSWER);
      if (entries.length === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.name(id, entries);
    }),
  );
  sftp.on('REMOVE', (id, path) => answer.inOrder(id, () => session.remove(path).then(ok(id)), 'tell'));
  sftp.on('RENAME', (id, from, to) =>
    answer.inOrder(id, () => session.rename(from, to).then(ok(id)), 'tell'),
  );
  sftp.on('REALPATH', (id, path) =>
    answer.inOrder(id, () => {
      const filename = session.absolute(path);
      sftp.name(id, [{ filename, longname: filename, attrs: {} as never }]);
    }),
  );
  refuseTheRest(sftp, answer);

  sftp.on('end', () => {
    // The client has no more requests: what it did not close stays incomplete.
    void answer
      .idle()
      .then(() => session.abandon())
      .finally(() => endWell(sftp));
  });
  return async () => {
    await answer.idle();
    await session.abandon();
  };
}

function refuseTheRest(sftp: SFTPWrapper, answer: Answerer): void {
  const refuse = (what: string) => (id: number) =>
    answer.inOrder(
      id,
      () => {
        throw notAllowed(what);
      },
      'tell',
    );
  sftp.on('READ', refuse('Files cannot be read back'));
  sftp.on('MKDIR', refuse('Folders cannot be made: upload into a product’s folder'));
  sftp.on('RMDIR', refuse('Folders cannot be removed'));
  sftp.on('SYMLINK', refuse('Links cannot be made'));
  sftp.on('READLINK', refuse('There are no links here'));
}

type Tell = 'tell' | 'silent';

interface Answerer {
  /** After every earlier one of these. `work` sends the answer, or throws what becomes one. */
  inOrder(id: number, work: () => Promise<void> | void, tell?: Tell): void;
  /**
   * Begins at once and answers by `reply` in order all the same: scp(1) of OpenSSH 9.2 cuts a file at the
   * first write whose answer overtook another's (its FSETSTAT after the last write), without an error.
   */
  atOnce(id: number, bytes: number, work: () => Promise<void>, reply: () => void, tell?: Tell): void;
  /** Resolves when the requests so far are answered. */
  idle(): Promise<void>;
}

function createAnswerer(sftp: SFTPWrapper, options: ServeOptions): Answerer {
  const { log, backpressure, onActivity, disconnect } = options;
  const underWay = new Set<Promise<void>>();
  const told = new Set<string>();
  let last: Promise<void> = Promise.resolve();

  const refuse = (id: number, error: unknown, tell: Tell): void => {
    const { code, text } = statusOf(error);
    if (error instanceof AppError) log.info({ code: error.code, reason: error.message }, 'request refused');
    else log.error({ err: error }, 'request failed');
    if (tell === 'tell' && told.size < MAX_LINES_TOLD && !told.has(text)) {
      told.add(text); // once: a client with 64 writes under way fails 64 times
      tellUploader(sftp, text);
    }
    sftp.status(id, code, text);
  };
  const start = (id: number, bytes: number, tell: Tell, work: () => Promise<void> | void): Promise<void> => {
    onActivity();
    const done = backpressure.begin(bytes);
    const running = (async () => {
      try {
        await work();
      } catch (error) {
        refuse(id, error, tell);
      } finally {
        done();
        if (repliesWaiting(sftp) > MAX_REPLIES_WAITING) disconnect();
      }
    })();
    underWay.add(running);
    void running.finally(() => underWay.delete(running));
    return running;
  };
  return {
    inOrder(id, work, tell = 'silent') {
      const before = last;
      last = start(id, 0, tell, async () => {
        await before;
        await work();
      });
    },
    atOnce(id, bytes, work, reply, tell = 'silent') {
      const before = last;
      last = start(id, bytes, tell, async () => {
        const [result] = await Promise.allSettled([work(), before]);
        if (result.status === 'rejected') throw result.reason;
        reply();
      });
    },
    idle: async () => {
      await Promise.allSettled(underWay);
    },
  };
}
