import type { Cli } from '../../../shared/cli/program.ts';
import { addCheckCommand } from './check.ts';
import { addGcCommand } from './gc.ts';
import { addGenerationCommands } from './generations.ts';
import { addPublishCommand } from './publish.ts';
import { addRemoveCommand } from './remove.ts';
import { addRetentionCommand } from './retention.ts';
import { addIdentityCommands } from './identity.ts';
import { addOverrideCommands } from './overrides.ts';
import { addKeyCommands } from './keys.ts';
import { addRollbackCommand } from './rollback.ts';
import { addSyncCommands } from './sync.ts';
import { addImportCommand } from './import.ts';
import { addMirrorCommands } from './mirror.ts';

/** Adds what works with the repository's tables and folders. */
export function addRepositoryCommands(cli: Cli): void {
  addCheckCommand(cli);
  addGcCommand(cli);
  addGenerationCommands(cli);
  addPublishCommand(cli);
  addRemoveCommand(cli);
  addRetentionCommand(cli);
  addIdentityCommands(cli);
  addOverrideCommands(cli);
  addKeyCommands(cli);
  addRollbackCommand(cli);
  addSyncCommands(cli);
  addImportCommand(cli);
  addMirrorCommands(cli);
}
