import type { Cli } from '../../../shared/cli/program.ts';
import { addGcCommand } from './gc.ts';

/** Adds what works with the repository's tables and folders. */
export function addRepositoryCommands(cli: Cli): void {
  addGcCommand(cli);
}
