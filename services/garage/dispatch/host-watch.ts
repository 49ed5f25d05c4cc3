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
/** A host without work is looked at so often: what was left on it goes, and people see that it is away. */
const IDLE_MS = 60_000;

interface Seen {
  well: boolean;
  untilMs: number;
  retryMs: number;
  /** Another address or key is another host. */
  identity: string;
}

export class HostWatch {
  private readonly seen = new Map<string, Seen>();
  private readonly asking = new Map<string, Promise<boolean>>();
  private readonly garage: Garage;
  private readonly bundle: RunnerBundle;
  private readonly privateKey: string;

  constructor(garage: Garage, bundle: RunnerBundle, privateKey: string) {
    this.garage = garage;
    this.bundle = bundle;
    this.privateKey = privateKey;
  }

  /** Looks at those that nobody has looked at for long, that are in doubt, or that were away. */
  async visit(hosts: readonly HostRow[]): Promise<void> {
    const due = hosts.filter((host) => {
      const known = this.seen.get(host.id);
      return !known || Date.now() >= known.untilMs + (known.well ? IDLE_MS : 0);
    });
    await Promise.all(due.map((host) => this.isWell(host)));
  }

  /** Asks the host unless it was asked lately; notes the answer in its row. One question at a time. */
  async isWell(host: HostRow): Promise<boolean> {
    const identity = JSON.stringify(host);
    const asked = this.asking.get(identity) ?? this.ask(host, identity);
    this.asking.set(identity, asked);
    return asked.finally(() => this.asking.delete(identity));
  }

  private async ask(host: HostRow, identity: string): Promise<boolean> {
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
