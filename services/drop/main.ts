/** The drop service: takes uploads over SSH into the spool. Wiring only. */
import { mkdir, readFile } from 'node:fs/promises';
import { loadConfig } from '../../shared/config/load.ts';
import { runService } from '../../shared/process/service.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { createAccountsReader } from './accounts-snapshot.ts';
import { completeDrop, dropSection } from './config.ts';
import { startHttpServer } from './http/server.ts';
import { createMetrics } from './metrics.ts';
import { createSpool } from './spool/spool.ts';
import { keepSwept } from './spool/sweep.ts';
import { startSshServer } from './ssh/server.ts';

/** Uploads under way may finish within this after SIGTERM. */
const DRAIN_MS = 2000;

await runService('drop', async (log) => {
  const { home, sections } = await loadConfig({ drop: dropSection });
  const config = completeDrop(sections.drop, home);
  const { limits } = config;
  await mkdir(config.incoming, { recursive: true, mode: 0o770 });
  const { privateFile, publicKey } = await ensureKeyPair(config.hostKey, 'autobuilder drop');
  const hostKey = await readFile(privateFile, 'utf8');

  const metrics = createMetrics();
  const accounts = createAccountsReader(config.accountsSnapshot, log);
  await accounts.current(); // a missing or broken snapshot is said at once
  const spool = createSpool({ incoming: config.incoming, limits, metrics });
  const stopping = new AbortController();
  await keepSwept(config.incoming, log, stopping.signal);
  const ssh = await startSshServer({ listen: config.listen, hostKey, accounts, spool, limits, metrics, log });
  const http = await startHttpServer({ listen: config.http, accounts, metrics });
  log.info({ ...ssh.address, http: http.address, hostKey: publicKey }, 'drop listens');

  return {
    ready: { address: `${ssh.address.host}:${String(ssh.address.port)}` },
    async close() {
      stopping.abort();
      ssh.refuseNew();
      await Promise.race([spool.drain(), new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
      await ssh.close();
      await http.close();
    },
  };
});
