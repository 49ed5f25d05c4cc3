/**
 * Whether hosts can be given work. A host is asked before a build is leased to it, so that one that is down
 * costs builds none of their tries.
 */
import type { Garage } from '../context.ts';
import type { RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import { removeOldRunners } from '../hosts/old-runners.ts';
import { markSeen, markUnwell } from './hosts.ts';
import { instanceId } from './instance.ts';
import { removeLeftovers } from './leftovers.ts';
import { openRemote, probeHost, pushRunner, reasonOf, type Remote } from './remote.ts';
import type { HostRow } from './rows.ts';

/** A host that was well is believed for this long. */
const BELIEVED_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

interface Seen {
  well: boolean;
  untilMs: number;
  retryMs: number;
  /** Another address or key is another host. */
  identity: string;
}

export class HostWatch {
  private readonly seen = new Map<string, Seen>();
  private readonly garage: Garage;
  private readonly bundle: RunnerBundle;
  private readonly privateKey: string;

  constructor(garage: Garage, bundle: RunnerBundle, privateKey: string) {
    this.garage = garage;
    this.bundle = bundle;
    this.privateKey = privateKey;
  }

  /** Asks the host unless it was asked lately; notes the answer in its row. */
  async isWell(host: HostRow): Promise<boolean> {
    const identity = JSON.stringify(host);
    const before = this.seen.get(host.id);
    const known = before?.identity === identity ? before : undefined;
    if (known && Date.now() < known.untilMs) return known.well;
    const reason = await this.whatIsWrong(host);
    const retryMs = reason === null ? FIRST_RETRY_MS : Math.min((known?.retryMs ?? 0) * 2, MAX_RETRY_MS);
    this.seen.set(host.id, {
      identity,
      well: reason === null,
      retryMs: Math.max(retryMs, FIRST_RETRY_MS),
      untilMs: Date.now() + (reason === null ? BELIEVED_MS : Math.max(retryMs, FIRST_RETRY_MS)),
    });
    if (reason === null) await markSeen(this.garage.pool, host.id);
    else await markUnwell(this.garage.pool, host.id, reason);
    return reason === null;
  }

  /** Forgets what was believed: an attempt there just met trouble. */
  doubt(hostId: string): void {
    const known = this.seen.get(hostId);
    if (known?.well === true) this.seen.delete(hostId);
  }

  /** Best effort: what could not be removed is found again at the next contact. */
  private async removeLeftovers(remote: Remote): Promise<void> {
    const { host } = remote;
    try {
      await removeLeftovers(this.garage, remote, await instanceId(this.garage.home));
      const runners = await removeOldRunners(remote, this.garage.config.build.timeoutS);
      if (runners.length > 0) this.garage.log.info({ host: host.name, runners }, 'removed old runners');
    } catch (error) {
      this.garage.log.warn({ host: host.name, err: error }, 'leftovers could not be removed');
    }
  }

  private async whatIsWrong(host: HostRow): Promise<string | null> {
    try {
      const remote = await openRemote(host, this.privateKey, this.bundle);
      try {
        await pushRunner(remote, this.bundle);
        await this.removeLeftovers(remote);
        const probe = await probeHost(remote);
        if (probe.missingPackages.length > 0) {
          return `Debian packages are missing there: ${probe.missingPackages.join(' ')}`;
        }
        if (probe.freeBytes < host.minFreeBytes) {
          return `Only ${String(probe.freeBytes)} bytes are free in its work folder, ${String(host.minFreeBytes)} must be`;
        }
        return probe.userNamespaces ? null : 'Its kernel lets no user make namespaces; nothing can be built';
      } finally {
        remote.connection.close();
      }
    } catch (error) {
      this.garage.log.warn({ host: host.name, err: error }, 'a host does not answer as it should');
      return reasonOf(error);
    }
  }
}
