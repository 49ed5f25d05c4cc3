/** What the arrival of a set means for what a queue holds: the version rule and what it replaces. Pure. */
import { matchesArchitecture } from '../../../shared/debian/architecture.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { KnownPackage } from '../pool/records.ts';

export interface Arrival {
  queue: string;
  source: string;
  sourceVersion: string;
  /** The set's; `all` for arch:all only. */
  architecture: string;
  /** The queue holds several versions of a source: retention lets go of old ones, not the arrival. */
  keepsOld: boolean;
  /** As in the .dsc: what the source is built for now. */
  dscArchitectures: readonly string[];
  packages: readonly KnownPackage[];
}

/**
 * What the queue holds of the source after the arrival. Throws `version-check-failed` when it holds a
 * newer version, of the source or (after a binary-only rebuild) of one of the binaries.
 */
export function arrive(held: readonly KnownPackage[], arrival: Arrival): KnownPackage[] {
  checkVersions(held, arrival);
  const arriving = new Set(arrival.packages.map((each) => each.id));
  const stay = held.filter((each) => !arriving.has(each.id) && !isReplaced(each, arrival));
  return [...stay, ...arrival.packages];
}

function checkVersions(held: readonly KnownPackage[], arrival: Arrival): void {
  const newest = held
    .map((each) => each.sourceVersion)
    .toSorted(compareVersions)
    .at(-1);
  if (newest !== undefined && compareVersions(arrival.sourceVersion, newest) < 0) {
    throw versionCheckFailed(
      `source package ${arrival.source}`,
      arrival.sourceVersion,
      arrival.queue,
      newest,
    );
  }
  for (const each of arrival.packages) {
    const same = held.find(
      (other) => isSameBinary(other, each) && other.sourceVersion === each.sourceVersion,
    );
    if (same && compareVersions(each.version, same.version) < 0) {
      throw versionCheckFailed(`binary package ${each.name}`, each.version, arrival.queue, same.version);
    }
  }
}

function versionCheckFailed(what: string, version: string, queue: string, newest: string): AppError {
  return new AppError(
    'version-check-failed',
    `Version check failed: Your upload included the ${what}, version ${version}, however ${queue} already has version ${newest}. Uploads to ${queue} must have a higher version than present in ${queue}.`,
  );
}

function isSameBinary(a: KnownPackage, b: KnownPackage): boolean {
  return a.kind !== 'source' && a.kind === b.kind && a.name === b.name && a.architecture === b.architecture;
}

/** True for what the set takes the place of. */
function isReplaced(held: KnownPackage, arrival: Arrival): boolean {
  const isSameVersion = held.sourceVersion === arrival.sourceVersion;
  if (arrival.keepsOld && !isSameVersion) return false;
  if (arrival.packages.some((each) => isSameBinary(each, held))) return true; // a binary-only rebuild
  if (compareVersions(held.sourceVersion, arrival.sourceVersion) >= 0) return false;
  if (held.kind === 'source' || held.architecture === arrival.architecture) return true;
  // Another architecture's old binaries stay until its build arrives, unless none will come.
  if (!isBuiltFor(held.architecture, arrival.dscArchitectures)) return true;
  return held.architecture === 'all' && arrival.packages.some((each) => each.architecture === 'all');
}

function isBuiltFor(architecture: string, dscArchitectures: readonly string[]): boolean {
  return dscArchitectures.some((wildcard) => matchesArchitecture(architecture, wildcard));
}
