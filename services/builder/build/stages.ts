/** The job's way through its stages: status.json, the log's headings, and the seconds each took. */
import { STAGES, type Stage } from '../../../shared/protocol/job.ts';
import type { BuildLog } from '../logs/build-log.ts';
import { writeStatus } from '../results/state-files.ts';
import type { Attempt } from './attempt.ts';

export class Stages {
  readonly startedAt = new Date().toISOString();
  readonly #attempt: Attempt;
  readonly #log: BuildLog;
  readonly #seconds: Partial<Record<Stage, number>> = {};
  #stage: Stage = 'init';
  #enteredMs = Date.now();

  constructor(attempt: Attempt, log: BuildLog) {
    this.#attempt = attempt;
    this.#log = log;
  }

  get current(): Stage {
    return this.#stage;
  }

  /** Seconds of each stage entered so far, to the millisecond. */
  get seconds(): Partial<Record<Stage, number>> {
    return { ...this.#seconds };
  }

  /** Goes on to `stage`; going back is a mistake of ours and ignored (sbuild's log may repeat a heading). */
  async enter(stage: Stage): Promise<void> {
    const isFirst = Object.keys(this.#seconds).length === 0 && stage === 'init';
    if (!isFirst && STAGES.indexOf(stage) <= STAGES.indexOf(this.#stage)) return;
    this.#leave();
    this.#stage = stage;
    this.#log.stage(stage);
    if (stage !== 'done') await writeStatus(this.#attempt, stage, process.pid);
  }

  #leave(): void {
    const nowMs = Date.now();
    const spent = (this.#seconds[this.#stage] ?? 0) + (nowMs - this.#enteredMs) / 1000;
    this.#seconds[this.#stage] = Math.round(spent * 1000) / 1000;
    this.#enteredMs = nowMs;
  }
}
