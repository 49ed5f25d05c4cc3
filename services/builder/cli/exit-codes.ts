/** Exit codes of the runner: sbdmock's idea, one for each stage that can fail. */
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { ExitClass, Stage } from '../../../shared/protocol/job.ts';

export const EXIT = {
  ok: 0,
  /** Anything that has no code of its own, a cancelled job among it. */
  generic: 1,
  /** The command line, the job or the user it runs as is wrong. */
  usage: 5,
  /** The build failed. */
  build: 10,
  /** The target (sbdmock's root) could not be made. */
  root: 20,
  /** apt could not install what the package needs. */
  apt: 30,
  /** What the build left is not what it promised. */
  package: 40,
} as const;

const BY_STAGE: Record<Stage, number> = {
  init: EXIT.generic,
  clean: EXIT.root,
  prep: EXIT.root,
  setup: EXIT.apt,
  build: EXIT.build,
  ending: EXIT.package,
  done: EXIT.ok,
};

/** The exit code for a job that ended in `stage` with `exitClass`. */
export function exitCodeFor(exitClass: ExitClass, stage: Stage): number {
  switch (exitClass) {
    case 'success':
      return EXIT.ok;
    case 'usage':
      return EXIT.usage;
    case 'cancelled':
      return EXIT.generic;
    case 'package':
    case 'dep-wait':
    case 'machine':
      return BY_STAGE[stage];
    default:
      return unreachable(exitClass);
  }
}
