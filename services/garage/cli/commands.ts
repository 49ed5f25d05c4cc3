import type { Cli } from '../../../shared/cli/program.ts';
import { addAccountCommands } from './accounts.ts';
import { addBaseCommands } from './bases.ts';
import { addBuildCommands } from './builds.ts';
import { addCheckCommands } from './checks.ts';
import { addHostCommands } from './hosts.ts';
import { addHowtoCommands } from './howto.ts';
import { addInstallCheckCommand } from './install-check.ts';
import { addMaintainerCommands } from './maintainers.ts';
import { addMailCommands } from './mails.ts';
import { addQueueCommands } from './queues.ts';
import { addShellCommand } from './shell.ts';
import { addSourceCommands } from './sources.ts';
import { addUploadCommands } from './uploads.ts';

/** Adds what works with garage's tables. */
export function addGarageCommands(cli: Cli): void {
  addAccountCommands(cli);
  addMaintainerCommands(cli);
  addUploadCommands(cli);
  addBuildCommands(cli);
  addHostCommands(cli);
  addSourceCommands(cli);
  addQueueCommands(cli);
  addMailCommands(cli);
  addInstallCheckCommand(cli);
  addCheckCommands(cli);
  addBaseCommands(cli);
  addShellCommand(cli);
  addHowtoCommands(cli);
}
