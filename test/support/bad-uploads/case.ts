/** One bad upload of the table, and the garage that it is sent to. */
import { edit, resum, signFile, type Files, type Uploader } from '../uploading.ts';

export interface People {
  me: Uploader;
  /** Has no account here. */
  stranger: Uploader;
  /** Has a disabled one. */
  dismissed: Uploader;
  /** Has an account and a key, and maintains greeter in `second`. */
  owner: Uploader;
  /** Their keys were good when they got their accounts. */
  expired: Uploader;
  revoked: Uploader;
  /** What `owner` uploaded to `second`: greeter 2.0-1, .changes and .dsc signed. */
  accepted: Files;
}

export interface BadUpload {
  title: string;
  code: string;
  /** The whole reason, or what matches it. */
  reason: string | RegExp;
  hint?: RegExp;
  /** Default: bookworm. The others are in {@link PRODUCTS}. */
  product?: string;
  /** Default: 1.0-1. */
  version?: string;
  /** I am an admin: rights do not stop me. */
  isAdmin?: boolean;
  /** Spoils and signs the files of a fresh, unsigned greeter; what is taken out is not sent. */
  make: (files: Files, people: People) => Promise<unknown>;
}

const shared = {
  architectures: ['amd64'],
  sources: [{ uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] }],
};
const distributions = ['bookworm'];

/** Each with a policy of its own; greeter 2.0-1 was accepted for `second`. */
export const PRODUCTS = {
  bookworm: shared,
  second: { ...shared, distributions, binaryUploads: 'accept' },
  small: { ...shared, distributions, uploadLimits: { bytes: 1500, files: 4 } },
  bombs: { ...shared, distributions, uploadLimits: { unpackedBytes: 1_000_000 } },
  closed: { ...shared, distributions, newSources: 'maintainers', binaryUploads: 'refuse' },
  refusing: { ...shared, distributions, binaryUploads: 'refuse' },
  either: { ...shared, distributions, signature: 'either' },
  login: { ...shared, distributions, signature: 'login' },
};

/** The usual way: the .changes is edited, then signed by me. */
export function editing(change: (text: string) => string): BadUpload['make'] {
  return async (files, { me }) => {
    await edit(files, '.changes', change);
    await signFile(files, me);
  };
}

/** The .dsc is edited, its sums are brought into the .changes, which I sign. */
export function editingDsc(change: (text: string) => string): BadUpload['make'] {
  return async (files, { me }) => {
    await edit(files, '.dsc', change);
    const dsc = [...files].find(([name]) => name.endsWith('.dsc'));
    await resum(files, dsc?.[1] ?? '');
    await signFile(files, me);
  };
}
