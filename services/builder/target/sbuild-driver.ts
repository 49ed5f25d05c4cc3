/** The conservative driver: Debian's sbuild in unshare mode, with the base as a tar. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { minimalEnvironment } from '../../../shared/process/run.ts';
import { runStreaming } from '../../../shared/process/stream.ts';
import type { BuildJob, InstallJob } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { Tail } from '../logs/tail.ts';
import { readAptFailure } from './apt-errors.ts';
import { resolveSources } from './apt-sources.ts';
import { makeOpenTemporary } from './open-temporary.ts';
import type { Driver, DriverContext } from './driver.ts';
import { OverlayDriver } from './overlay-driver.ts';
import { armored, sbuildArgv, sbuildConfig, type SbuildInputs } from './sbuild-config.ts';
import { classOfSummary, readSummary, stageOfLine } from './sbuild-summary.ts';
import { endsWithParent, removeTree, type Argv } from './userns.ts';

/** The summary and apt's explanation stand within this from the end. */
const TAIL_BYTES = 512 * 1024;

/** sbuild's answer, by its summary first and its log second. */
function failureFrom(tail: string, code: number | null): Error {
  const summary = readSummary(tail);
  const failureClass = classOfSummary(summary);
  const stage = summary.failStage ?? `exit ${String(code)}`;
  if (failureClass !== 'dep-wait') return jobFailure(failureClass, `sbuild failed (${stage})`);
  const reason = readAptFailure(tail);
  if (reason.kind !== 'unmet') return jobFailure('machine', `sbuild could not install: ${reason.line}`);
  const { missing } = reason;
  const names = missing.length > 0 ? missing.join(', ') : 'see the log';
  return jobFailure('dep-wait', `Dependencies cannot be had: ${names}`, { missing });
}

export class SbuildDriver implements Driver {
  readonly name = 'sbuild' as const;
  readonly #context: DriverContext;
  #temporary: string | null = null;
  #installer: OverlayDriver | null = null;
  readonly #tail = new Tail(TAIL_BYTES);

  constructor(context: DriverContext) {
    this.#context = context;
  }

  async build(job: BuildJob): Promise<string> {
    const { attempt, base, stages } = this.#context;
    const tar = await base.tar();
    await stages.enter('setup');
    this.#temporary = await makeOpenTemporary(attempt.workdir);
    this.#context.places.add(this.#temporary);
    const extra = await resolveSources(job.extraSources);
    const inputs: SbuildInputs = {
      tar,
      dsc: path.join(attempt.source, job.dsc),
      extra,
      base: await resolveSources(job.base.sources),
      keyFiles: extra.map((_, index) => path.join(attempt.target, `extra-${index}.asc`)),
    };
    await mkdir(attempt.target);
    for (const [index, source] of extra.entries())
      await writeFile(inputs.keyFiles[index] ?? '', armored(source));
    const config = path.join(attempt.target, 'sbuild.conf');
    await writeFile(config, sbuildConfig(job, this.#temporary));
    const output = path.join(attempt.target, 'output');
    await mkdir(output);
    const code = await this.#run(sbuildArgv(job, inputs), output, config);
    if (code !== 0) throw failureFrom(this.#tail.toString(), code);
    return output;
  }

  /** sbuild only builds; installing goes through a target over a copy of the base. */
  async install(job: InstallJob): Promise<void> {
    this.#installer = new OverlayDriver(this.#context, 'copy');
    await this.#installer.install(job);
  }

  /** sbuild takes its session away by itself. */
  async keep(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {
    await this.#installer?.close();
    if (this.#temporary !== null) await removeTree(this.#temporary);
    await removeTree(this.#context.attempt.target);
  }

  async #run(argv: Argv, cwd: string, config: string): Promise<number | null> {
    const { log, signal, attempt } = this.#context;
    log.command(argv);
    let pending: Promise<void> = Promise.resolve();
    let lineStart = '';
    const watch = (chunk: Buffer): void => {
      this.#tail.push(chunk);
      const lines = (lineStart + chunk.toString('latin1')).split('\n');
      lineStart = (lines.pop() ?? '').slice(-200);
      for (const line of lines) {
        const stage = stageOfLine(line);
        if (stage !== null) pending = pending.then(() => this.#context.stages.enter(stage));
      }
    };
    // An empty HOME keeps the user's own .sbuildrc out.
    const env = minimalEnvironment({ HOME: attempt.target, LC_ALL: 'C.UTF-8', SBUILD_CONFIG: config });
    const { code } = await runStreaming(endsWithParent(argv), {
      cwd,
      env,
      signal,
      onOutput: (chunk) => {
        log.write(chunk);
        watch(chunk);
      },
    });
    await pending;
    return code;
  }
}
