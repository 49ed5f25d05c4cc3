/** Where a mirror lies. What is hidden is nobody's business but ours; a web server shows the rest. */
import path from 'node:path';
import type { Repository } from '../context.ts';
import { mirrorFolder } from './definition.ts';

export interface MirrorPlaces {
  /** `<mirrors>/<name>`: pool files lie below it by their path in the archive. */
  root: string;
  /** Half files, by their sum. */
  partial: string;
  /** Indexes of the archive as they came, by their sum. */
  indexes: string;
  /** `<number>/<suite>/...`, and `<number>.json` beside each. */
  generations: string;
  /** A symlink to the generation that clients see. */
  dists: string;
  /** What our own indexes of a filtered mirror were made of. */
  states: string;
  /** One update at a time; outside the mirror, so that it stays when the mirror goes. */
  lock: string;
}

/** Throws `mirror-name-invalid`. */
export function mirrorPlaces(repository: Pick<Repository, 'home' | 'config'>, name: string): MirrorPlaces {
  const root = mirrorFolder(repository.config.mirrors.path ?? repository.home.mirrors, name);
  return {
    root,
    partial: path.join(root, '.partial'),
    indexes: path.join(root, '.indexes'),
    generations: path.join(root, '.generations'),
    dists: path.join(root, 'dists'),
    states: path.join(root, '.states'),
    lock: path.join(repository.home.repository, 'mirror-locks', name),
  };
}
