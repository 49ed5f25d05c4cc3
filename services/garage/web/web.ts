/** What every page can reach: garage, the assets, and whoever is signed in. */
import type { Garage } from '../context.ts';
import type { Assets } from './assets.ts';
import type { Bound } from './bound.ts';

export interface Web {
  garage: Garage;
  /** The installation's name, as pages show it. */
  site: string;
  assets: Assets;
  /** Open log streams; each holds a file and a timer. */
  streams: Bound;
  /** Uploads under way; each holds as many files open as it sends. */
  uploads: Bound;
  /** Aborted when the server closes, so that nothing that waits holds it up. */
  closing: AbortSignal;
}

/** The account that a request's session belongs to; never a disabled one. */
export interface SignedIn {
  id: string;
  login: string;
  email: string;
  admin: boolean;
}

declare module 'fastify' {
  interface FastifyInstance {
    web: Web;
  }
  interface FastifyRequest {
    /** Null for whoever is not signed in. */
    account: SignedIn | null;
  }
  interface FastifyContextConfig {
    /** `handler`: the token is in a streamed body, and the handler checks it before anything else. */
    csrf?: 'handler';
  }
}
