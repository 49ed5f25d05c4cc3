/** The fast driver: namespaces of our own with the base below. Also installs, for both drivers. */
import path from 'node:path';
import type { BuildJob, InstallJob, Job } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { hostArchitecture } from '../build/host-tools.ts';
import { showCommand } from '../logs/build-log.ts';
import { buildInTarget } from './dpkg-build.ts';
import type { Driver, DriverContext, KeptTarget } from './driver.ts';
import type { TargetSpec } from './frames.ts';
import type { Layer } from './layers.ts';
import { readyTarget } from './ready.ts';
import { BUILD_FOLDER, bringLists, installPackages, seedTarget } from './setup.ts';
import { Target } from './target.ts';
import type { Argv } from './userns.ts';

/** 32-bit architectures that 64-bit kernels run; builds must not see the kernel's own machine name. */
const PERSONALITY: Record<string, string> = { i386: 'linux32', armhf: 'linux32', armel: 'linux32' };

export class OverlayDriver implements Driver {
  readonly name = 'overlay' as const;
  readonly #context: DriverContext;
  readonly #kind: TargetSpec['kind'];
  #target: Target | null = null;
  #layer: Layer | null = null;

  /** `copy` for hosts without overlay: slower by the seconds that copying the base takes. */
  constructor(context: DriverContext, kind: TargetSpec['kind'] = 'overlay') {
    this.#context = context;
    this.#kind = kind;
  }

  async build(job: BuildJob): Promise<string> {
    const { stages } = this.#context;
    const prefix = await this.#personality(job);
    await stages.enter('setup');
    const { target, layer } = await readyTarget(this.#context, job, (below) => this.#open(job, below));
    this.#layer = layer;
    await stages.enter('build');
    await buildInTarget(target, job, prefix);
    await target.stop();
    return path.join(target.written, BUILD_FOLDER);
  }

  async install(job: InstallJob): Promise<void> {
    const { stages, log } = this.#context;
    await stages.enter('setup');
    const target = await this.#open(job);
    const areListsOld = await bringLists(target, this.#context.base, job);
    await installPackages(target, job.packages, areListsOld);
    if (job.command.length === 0) return;
    await stages.enter('build');
    log.line('----- begin of the output');
    const argv = job.command as Argv;
    const { code, signal } = await target.exec(argv, {
      user: 'builder',
      network: false,
      cwd: '/tmp',
      env: { HOME: '/nonexistent' },
    });
    log.line('----- end of the output');
    if (code === 0) return;
    throw jobFailure('package', `${showCommand(argv)} failed (${signal ?? `exit ${String(code)}`})`);
  }

  async keep(): Promise<KeptTarget | null> {
    const target = this.#target;
    if (target === null || this.#kind !== 'overlay') return null;
    await target.stop();
    return { folder: this.#context.attempt.target, lower: target.lower };
  }

  async close(): Promise<void> {
    await this.#target?.remove();
    this.#target = null;
    await this.#layer?.release();
    this.#layer = null;
  }

  async #open(job: Job, layer: Layer | null = null): Promise<Target> {
    const { attempt, base, log, signal } = this.#context;
    this.#target = await Target.open({
      base,
      layers: layer === null ? [] : [layer.root],
      folder: attempt.target,
      kind: this.#kind,
      log,
      signal,
      processes: job.limits?.processes ?? null,
      seed: (root) => seedTarget(root, attempt, job),
    });
    return this.#target;
  }

  async #personality(job: BuildJob): Promise<string[]> {
    const personality = PERSONALITY[job.base.architecture];
    if (personality === undefined || (await hostArchitecture()) === job.base.architecture) return [];
    return ['setarch', personality];
  }
}
