import { z } from 'zod';
import { listenAddress } from '../../../shared/config/fields.ts';

/** Section `live`: the embedded stand-in for a real web server. */
export const liveSection = z.strictObject({
  /** Port 0 takes a free one. */
  listen: listenAddress.prefault('127.0.0.1:8081'),
  /** What is served; default `$AUTOBUILDER_HOME/live`. */
  root: z.string().startsWith('/', 'must be an absolute path').optional(),
  /** Local mirrors, served below /mirror/; default `$AUTOBUILDER_HOME/mirrors`. */
  mirrors: z.string().startsWith('/', 'must be an absolute path').optional(),
});
export type LiveConfig = z.infer<typeof liveSection>;
