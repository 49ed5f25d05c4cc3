/** A real SMTP server: Debian's python3-aiosmtpd, as a child on loopback, with TLS and logins when asked for. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runChecked } from '../../shared/process/run.ts';

const SCRIPT = fileURLToPath(new URL('smtp-server.py', import.meta.url));

export interface TakenMail {
  from: string;
  to: string[];
  data: string;
  /** Whether it came through TLS. */
  tls: boolean;
  /** Who had logged in; null for nobody. */
  user: string | null;
}

export interface RealSmtpOptions {
  /** `starttls`: required before anything else; `implicit`: from the first byte. Default: none. */
  tls?: 'starttls' | 'implicit';
  login?: { user: string; password: string };
}

export interface RealSmtp {
  port: number;
  /** CA of its certificate; empty without TLS. */
  caFile: string;
  mails: TakenMail[];
  /** Ends it; the port stays its own for `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Greylisted recipients are let in from now on. */
  letIn(): Promise<void>;
  dispose(): Promise<void>;
}

export async function startRealSmtp(options: RealSmtpOptions = {}): Promise<RealSmtp> {
  const folder = await mkdtemp(path.join(tmpdir(), 'real-smtp-'));
  const certificate = options.tls ? await makeCertificate(folder) : null;
  const mails: TakenMail[] = [];
  let child: ChildProcess | null = null;
  const smtp: RealSmtp = {
    port: 0,
    caFile: certificate?.ca ?? '',
    mails,
    start: async () => {
      const settings = {
        ...{ folder, port: smtp.port, implicit: options.tls === 'implicit' },
        ...(certificate ? { cert: certificate.cert, key: certificate.key } : {}),
        ...options.login,
      };
      child = spawn('/usr/bin/python3', [SCRIPT, JSON.stringify(settings)], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      smtp.port = await listenTo(child, mails);
    },
    stop: async () => {
      if (!child || child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
      child = null;
    },
    letIn: () => writeFile(path.join(folder, 'open'), ''),
    dispose: async () => {
      await smtp.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await smtp.start();
  return smtp;
}

/** Resolves with its port; from then on mails are put into `mails`. */
async function listenTo(child: ChildProcess, mails: TakenMail[]): Promise<number> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  if (!child.stdout) throw new Error('the SMTP server has no output');
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the SMTP server ended: ${said}`)));
    lines.on('line', (line) => {
      const value = JSON.parse(line) as { port: number } | TakenMail;
      if ('port' in value) resolve(value.port);
      else mails.push(value);
    });
  });
}

async function makeCertificate(folder: string): Promise<{ ca: string; cert: string; key: string }> {
  const at = (name: string): string => path.join(folder, name);
  const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost';
  const common = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'] as const;
  await runChecked([
    ...(['openssl', 'req', '-x509', ...common] as const),
    ...['-subj', '/CN=Test CA', '-keyout', at('ca.key'), '-out', at('ca.pem')],
  ]);
  await runChecked([
    ...(['openssl', 'req', '-x509', ...common] as const),
    ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-subj', '/CN=localhost', '-addext', names],
    ...['-addext', 'basicConstraints=CA:FALSE', '-keyout', at('server.key'), '-out', at('server.pem')],
  ]);
  return { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key') };
}
