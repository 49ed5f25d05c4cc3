import type { Cost } from './measure.ts';
import type { MadePackage } from './packages.ts';

/** Where a contender works and what it signs with. */
export interface Scene {
  /** Its own folder, empty at first. */
  folder: string;
  /** A GnuPG home with one key without a passphrase; and that key. */
  gnupgHome: string;
  keyId: string;
}

/** One way to keep an archive, set up as its own documentation says, with no step left out or added. */
export interface Contender {
  name: string;
  /** What it publishes, for the table. */
  offers: string;
  /** True when it makes gz and xz, signed: the same files as Autobuilder. */
  isFull: boolean;
  importAll(packages: readonly MadePackage[]): Promise<Cost>;
  /** Until clients can see them. */
  add(packages: readonly MadePackage[]): Promise<Cost>;
  remove(each: MadePackage): Promise<Cost>;
  close(): Promise<void>;
}
