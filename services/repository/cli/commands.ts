import type { Cli } from '../../../shared/cli/program.ts';

/** Adds what works with the repository's tables and folders. */
export function addRepositoryCommands(_cli: Cli): void {}
