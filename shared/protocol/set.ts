/**
 * What garage hands to the repository: a folder
 * `<repository incoming>/<queue>/<product>/<id>/` that appears by one rename, with `manifest.json`
 * and the files it lists (the source package's and one architecture's binaries). The repository checks
 * everything again and removes the folder once the set is published or moved to quarantine.
 */
import { z } from 'zod';
import {
  architectureName,
  fileEntry,
  fileName,
  loginName,
  productName,
  queueName,
  sourceName,
} from './names.ts';

export const MANIFEST = 'manifest.json';

export const setManifest = z.strictObject({
  version: z.literal(1),
  /** The attempt's id; the same set handed over twice is taken once. */
  id: z.uuid(),
  queue: queueName,
  product: productName,
  component: z.string().regex(/^[a-z][a-z0-9-]*$/),
  source: sourceName,
  sourceVersion: z.string(),
  /** The architecture it was built on; `all` for arch:all only. */
  architecture: architectureName,
  dsc: fileName,
  files: z.array(fileEntry).min(1),
  provenance: z.strictObject({
    uploadId: z.uuid(),
    uploader: loginName,
    /** OpenPGP fingerprint that signed the upload, or null. */
    signedBy: z.string().nullable(),
    buildId: z.number().int(),
    host: z.string(),
    builtAt: z.string(),
  }),
});
export type SetManifest = z.infer<typeof setManifest>;
