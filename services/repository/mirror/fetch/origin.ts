/** The archive that is mirrored, as files that can be opened: over HTTP(S), or in a folder of this machine. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AppError, hasErrno } from '../../../../shared/errors/app-error.ts';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import { createHttpOrigin } from './http.ts';
import type { Credentials } from './credentials.ts';

export interface Opened {
  body: Readable;
  /** Where in the file the body begins: what was asked for, or 0. */
  offset: number;
}

export interface Origin {
  /**
   * Opens a file, relative to the archive's address, from byte `from` on; null when it is not there. Throws
   * `mirror-unreachable` and `mirror-unavailable` (both may pass), `mirror-refused`, `mirror-redirects`,
   * `mirror-tls`.
   */
  open(path: string, from: number, signal?: AbortSignal): Promise<Opened | null>;
  /** Ends idle connections. */
  close(): void;
}

export interface OriginOptions {
  credentials: Credentials;
  /** PEM of CAs beside the system's. */
  ca: string | null;
  /** Connections at a time. */
  parallel: number;
}

/** `url` as `mirrorUrl` gives it. */
export function createOrigin(url: string, options: OriginOptions): Origin {
  return url.startsWith('file:') ? createLocalOrigin(fileURLToPath(url)) : createHttpOrigin(url, options);
}

function createLocalOrigin(root: string): Origin {
  return {
    open: async (path, from) => {
      const file = joinInside(root, path);
      const found = await stat(file).catch((error: unknown) => {
        if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return null;
        throw new AppError('mirror-refused', `'${file}' cannot be read`, { cause: error });
      });
      if (!found?.isFile()) return null;
      const offset = from <= found.size ? from : 0;
      return { body: createReadStream(file, { start: offset }), offset };
    },
    close: () => undefined,
  };
}
