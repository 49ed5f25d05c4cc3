import path from 'node:path';

/** The folders below `AUTOBUILDER_HOME`; one place says where everything lies. */
export interface Home {
  root: string;
  /** Uploads as they arrive: `<product>/<login>/<file>`. */
  incoming: string;
  /** Sets that buildme has taken over and not yet decided: `<upload-id>/`. */
  verifying: string;
  sources: string;
  rejected: string;
  results: string;
  mail: string;
  run: string;
  database: string;
  drop: string;
  garage: string;
  builder: string;
  repository: string;
  /** What is handed to the repository: `<queue>/<product>/<id>/`. */
  repositoryIncoming: string;
  staging: string;
  live: string;
  /** Local mirrors of other archives: `<name>/`. */
  mirrors: string;
}

/** The folders below `root`; default `$AUTOBUILDER_HOME`, then `./var`. Makes nothing. */
export function homeFolders(root: string = process.env['AUTOBUILDER_HOME'] ?? 'var'): Home {
  const at = (...parts: string[]): string => path.join(path.resolve(root), ...parts);
  return {
    root: at(),
    incoming: at('incoming'),
    verifying: at('verifying'),
    sources: at('sources'),
    rejected: at('rejected'),
    results: at('results'),
    mail: at('mail'),
    run: at('run'),
    database: at('database'),
    drop: at('drop'),
    garage: at('garage'),
    builder: at('builder'),
    repository: at('repository'),
    repositoryIncoming: at('repository', 'incoming'),
    staging: at('repository', 'staging'),
    live: at('live'),
    mirrors: at('mirrors'),
  };
}
