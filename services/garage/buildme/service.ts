/**
 * buildme as a service: rounds by cron, and at once when files arrive or somebody says so.
 *
 * **Guarantees.** Rounds never overlap; a wake-up during one makes exactly one more follow it. Events
 * (chokidar, NOTIFY) are hints only: the schedule alone finds everything. One round function's error never
 * stops the others or the next round.
 */
import { mkdir } from 'node:fs/promises';
import { watch } from 'chokidar';
import { schedule } from 'node-cron';
import { listen } from '../../../shared/database/listen.ts';
import { PARTIAL } from '../../../shared/protocol/spool.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { buildmeRound, nextDeadlineMs } from './round.ts';

/** Files of one upload come in a burst; one look after it sees them all. */
const SETTLE_MS = 100;
/** Clocks of file system and process may differ by a tick; a look just before the deadline would be for nothing. */
const DEADLINE_MARGIN_MS = 50;
/** A longer wait is the schedule's business. */
const MAX_TIMER_MS = 3600_000;

export type RoundFunction = () => Promise<unknown>;

export interface BuildmeService {
  /** Asks for a round soon; many asks make one. */
  wake(): void;
  /** Ends schedule and watching, and waits for the round that runs. */
  stop(): Promise<void>;
}

/**
 * Starts it with a first round. `rounds` are called one after the other after each look at the spool:
 * dispatch, status sync, mail; each must be quick, since the next upload waits behind it.
 */
export async function startBuildme(
  garage: Garage,
  rounds: readonly RoundFunction[] = [],
): Promise<BuildmeService> {
  await mkdir(garage.home.incoming, { recursive: true });
  const loop = new RoundLoop(garage, rounds);
  const wake = (): void => loop.wake();
  const task = schedule(garage.config.schedule, wake, { name: 'buildme', noOverlap: true });
  const watcher = watch(garage.home.incoming, {
    ignoreInitial: true,
    followSymlinks: false,
    depth: 2,
    ignored: (file) => file.endsWith(PARTIAL),
  });
  watcher.on('add', wake);
  watcher.on('change', wake);
  watcher.on('error', (error) => garage.log.warn({ err: error }, 'watching incoming failed; cron goes on'));
  const stopListening = listen(garage.databaseUrl, GARAGE_CHANNEL, wake);
  loop.wake();
  return {
    wake,
    stop: async () => {
      await task.destroy();
      await Promise.all([watcher.close(), stopListening()]);
      await loop.stop();
    },
  };
}

/** Runs rounds one at a time; remembers that one more was asked for. */
class RoundLoop {
  readonly #garage: Garage;
  readonly #rounds: readonly RoundFunction[];
  #running: Promise<void> | null = null;
  #isWanted = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(garage: Garage, rounds: readonly RoundFunction[]) {
    this.#garage = garage;
    this.#rounds = rounds;
  }

  wake(): void {
    if (this.#isStopped) return;
    this.#isWanted = true;
    if (this.#running) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#runWanted().finally(() => {
        this.#running = null;
        if (this.#isWanted) this.wake();
      });
    }, SETTLE_MS);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#isWanted = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#deadline);
    await this.#running;
  }

  async #runWanted(): Promise<void> {
    this.#isWanted = false;
    await this.#guarded('uploads', async () => {
      const result = await buildmeRound(this.#garage);
      this.#wakeAt(nextDeadlineMs(result));
    });
    for (const [index, round] of this.#rounds.entries()) {
      await this.#guarded(round.name || `round ${String(index + 1)}`, round);
    }
  }

  async #guarded(part: string, work: RoundFunction): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#garage.log.error({ err: error, part }, 'part of the round failed; the next round tries again');
    }
  }

  /** A set that waits is looked at when its time comes, not a minute later. */
  #wakeAt(deadlineMs: number | null): void {
    clearTimeout(this.#deadline);
    if (deadlineMs === null || this.#isStopped) return;
    const waitMs = Math.max(0, deadlineMs - Date.now()) + DEADLINE_MARGIN_MS;
    this.#deadline = setTimeout(() => this.wake(), Math.min(waitMs, MAX_TIMER_MS));
  }
}
