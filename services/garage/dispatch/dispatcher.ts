/**
 * The scheduler: looks at the tables, brings every attempt to an end, fills free slots. It remembers only
 * which attempts it attends to at the moment; whatever is lost with the process is in the tables and on
 * the hosts, and the next one goes on there.
 */
import { readFile } from 'node:fs/promises';
import { bundleRunner, type RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import { fillCheckSlots } from '../checks/fill.ts';
import { releasePackages } from '../checks/keep.ts';
import { renewAllChecks, runningChecks } from '../checks/lease.ts';
import { planChecks, settleChecks } from '../checks/plan.ts';
import { runCheck } from '../checks/run.ts';
import type { Garage } from '../context.ts';
import { dueTests, selfTest } from '../hosts/self-test.ts';
import { runAttempt, type Dispatch } from './attempt.ts';
import { coalesced } from './coalesce.ts';
import { fillSlots } from './fill.ts';
import { handOverBuilt } from './hand-over.ts';
import { activeHosts } from './rows.ts';
import { garageKeyFile } from './garage-key.ts';
import { HostWatch } from './host-watch.ts';
import { registerEmbeddedHost } from './hosts.ts';
import { instanceId } from './instance.ts';
import { takeLeadership, type Leadership } from './leadership.ts';
import { renewAll, unfinishedAttempts } from './lease.ts';
import { relateSources } from './relate.ts';
import { releaseHeld } from './release.ts';
import { RepositoryAccess } from './repository-access.ts';
import { returnBuilds } from './return-builds.ts';
import { syncInstalled } from './sync-status.ts';

export { garageKeyFile } from './garage-key.ts';

/** While something waits for a host or a time; everything else is woken or swept by cron. */
const LOOK_AGAIN_MS = 2_000;

export interface Dispatcher {
  /** Makes garage's SSH key and takes the lock of the one that dispatches; false when another process has it. */
  start(): Promise<boolean>;
  /**
   * One look at everything: hosts, builds to return, sets to hand over, attempts to resume, slots to fill.
   * Attempts run on in the background. Two calls at a time are one round after another; nothing is done
   * without the lock. Never throws: each part that fails is logged and done again by the next round.
   */
  round(): Promise<void>;
  /** Resolves when no attempt runs and none can be started now. */
  idle(): Promise<void>;
  /** Lets go of attempts (their runners go on and are found again) and of the lock. */
  stop(): Promise<void>;
}

export interface DispatcherOptions {
  /** The runner to push; default: this checkout's, bundled. */
  runner?: RunnerBundle;
}

export function createDispatcher(garage: Garage, options: DispatcherOptions = {}): Dispatcher {
  return new OneDispatcher(garage, options);
}

/** Checks have numbers, attempts have UUIDs; a prefix keeps people from mistaking one for the other. */
function checkKey(id: string): string {
  return `check ${id}`;
}

interface Parts extends Dispatch {
  leadership: Leadership;
}

class OneDispatcher implements Dispatcher {
  private readonly garage: Garage;
  private readonly options: DispatcherOptions;
  private readonly stopping = new AbortController();
  private readonly running = new Map<string, Promise<void>>();
  private readonly waiting = new Set<string>();
  private parts: Parts | undefined;
  private readonly askForRound = coalesced(() => this.look());
  private readonly askForBuilds = coalesced(() => this.fill());
  private timer: NodeJS.Timeout | undefined;
  private visiting: Promise<void> | undefined;

  constructor(garage: Garage, options: DispatcherOptions) {
    this.garage = garage;
    this.options = options;
  }

  async start(): Promise<boolean> {
    const key = await ensureKeyPair(garageKeyFile(this.garage), 'autobuilder garage');
    const leadership = await takeLeadership(this.garage.databaseUrl);
    if (!leadership) return false;
    const privateKey = await readFile(key.privateFile, 'utf8');
    const bundle = this.options.runner ?? (await bundleRunner());
    await renewAll(this.garage);
    await renewAllChecks(this.garage);
    this.parts = {
      garage: this.garage,
      bundle,
      privateKey,
      leadership,
      instance: await instanceId(this.garage.home),
      repository: new RepositoryAccess(this.garage),
      stopping: AbortSignal.any([this.stopping.signal, leadership.lost]),
      watch: new HostWatch(this.garage, bundle, privateKey),
    };
    return true;
  }

  round(): Promise<void> {
    return this.askForRound();
  }

  async idle(): Promise<void> {
    for (;;) {
      await this.round();
      if (this.running.size === 0 || this.stopping.signal.aborted) return;
      await Promise.race(this.running.values());
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    const count = this.running.size;
    if (count > 0)
      this.garage.log.info({ count }, 'builds go on on their hosts, the next start follows them');
    clearTimeout(this.timer);
    // Both look once more, see that it is over, and leave.
    await Promise.all([this.askForRound(), this.askForBuilds()]);
    clearTimeout(this.timer);
    await Promise.all([...this.running.values(), this.visiting]);
    await this.parts?.leadership.release();
  }

  private async look(): Promise<void> {
    clearTimeout(this.timer);
    const { garage } = this;
    await this.step('take the lock again', () => this.regain());
    const parts = this.parts;
    if (!parts) return;
    if (parts.stopping.aborted) return this.lookLater();
    await this.step('register the local host', () => registerEmbeddedHost(garage));
    await this.step('take over what the repository says', () => syncInstalled(garage));
    await this.step('return builds', () => returnBuilds(garage));
    await this.step('read what new sources need', () => relateSources(garage));
    await this.step('let go what waited for others', () => releaseHeld(garage));
    await this.step('plan checks', () => planChecks(garage));
    await this.step('settle checks', () => settleChecks(garage));
    await this.step('hand over sets', () => handOverBuilt(garage));
    await this.step('release packages', () => releasePackages(garage));
    await this.step('resume attempts', () => this.resume(parts));
    await this.askForBuilds();
    await this.step('fill slots for checks', () =>
      fillCheckSlots({ ...parts, begin: (id) => this.beginCheck(parts, id) }),
    );
    await this.step('test quarantined hosts', () => this.testHosts(parts));
    this.visitHosts(parts);
    await this.step('look for what waits', () => this.lookAgain());
  }

  /** Beside the rounds: a host that is away takes its time to say so. */
  private visitHosts(parts: Parts): void {
    this.visiting ??= this.step('visit hosts', async () =>
      parts.watch.visit(await activeHosts(this.garage.pool)),
    ).finally(() => (this.visiting = undefined));
  }

  private async testHosts(parts: Parts): Promise<void> {
    for (const name of await dueTests(this.garage)) {
      const key = `test of ${name}`;
      const test = (): Promise<void> => selfTest(this.garage, name, parts.bundle, parts.stopping);
      if (!this.running.has(key)) this.keep(parts, key, () => this.step(key, test));
    }
  }

  /** By itself, too: a slot that is free does not wait for what else a round does. */
  private async fill(): Promise<void> {
    const { parts } = this;
    if (!parts || parts.stopping.aborted) return;
    await this.step('fill slots', () =>
      fillSlots({ ...parts, waiting: this.waiting, begin: (id) => this.begin(parts, id) }),
    );
  }

  /** A lock that broke with its connection: whoever has it now dispatches, and that may be us again. */
  private async regain(): Promise<void> {
    if (!this.parts?.leadership.lost.aborted || this.stopping.signal.aborted) return;
    await Promise.all(this.running.values());
    this.garage.log.warn('the lock of the dispatcher was lost with its connection');
    if (await this.start()) this.garage.log.info('the lock of the dispatcher is taken again');
  }

  private async resume(parts: Parts): Promise<void> {
    for (const id of await unfinishedAttempts(this.garage)) {
      if (!this.running.has(id)) this.begin(parts, id);
    }
    for (const id of await runningChecks(this.garage)) {
      if (!this.running.has(checkKey(id))) this.beginCheck(parts, id);
    }
  }

  private begin(parts: Parts, id: string): void {
    this.keep(parts, id, () => runAttempt(parts, id));
  }

  private beginCheck(parts: Parts, id: string): void {
    this.keep(parts, checkKey(id), () => runCheck(parts, id));
  }

  private keep(parts: Parts, key: string, work: () => Promise<void>): void {
    if (parts.stopping.aborted) return;
    const task = work().finally(() => {
      this.running.delete(key);
      // Its slot is free, and its set may be ready.
      if (parts.stopping.aborted) return;
      void this.askForBuilds();
      void this.round();
    });
    this.running.set(key, task);
  }

  private async lookAgain(): Promise<void> {
    const { rowCount } = await this.garage.pool.query(
      `select 1 from builds where status in ('needs-build', 'given-back', 'built')
       union all select 1 from checks where status = 'waiting' limit 1`,
    );
    if (rowCount === 1) this.lookLater();
  }

  private lookLater(): void {
    clearTimeout(this.timer);
    if (this.stopping.signal.aborted) return;
    this.timer = setTimeout(() => void this.round(), LOOK_AGAIN_MS);
  }

  private async step(name: string, work: () => Promise<void>): Promise<void> {
    const began = performance.now();
    try {
      await work();
    } catch (error) {
      if (!this.stopping.signal.aborted) this.garage.log.error({ err: error, step: name }, 'a step failed');
    }
    this.garage.log.debug({ step: name, tookMs: Math.round(performance.now() - began) }, 'a step is done');
  }
}
